import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { modelsToServe } from "../../../src/cli/server/models-to-serve.ts";
import { AlbertError } from "../../../src/errors.ts";

it("serves the bundled models when none is named", () => {
  const bundled = [
    "multiple-choice",
    "natural-language-inference",
    "question-answering",
    "sentence-encoder",
    "sentiment",
  ];
  expect(modelsToServe([]).map(({ name }) => name)).toEqual(bundled);
  expect(modelsToServe([]).map(({ directory }) => basename(directory))).toEqual(bundled);
});

it("serves what is named instead, a directory without a manifest under its own name", () => {
  const directory = mkdtempSync(join(tmpdir(), "albert-to-serve-"));
  expect(modelsToServe([`mine=${directory}`, directory])).toEqual([
    { name: "mine", directory },
    { name: basename(directory), directory },
  ]);
  rmSync(directory, { recursive: true });
});

it("refuses two models of one name, and names that cannot be", () => {
  const given = [`a=${tmpdir()}`, `a=${tmpdir()}`, "b c=/z"];
  expect(() => modelsToServe(given)).toThrow(AlbertError);
  expect(() => modelsToServe(given)).toThrow(/two models are called a.*|cannot be a name/s);
});

it("refuses a path where nothing is, but not a model that turns out to be broken, which is told when it is opened", () => {
  const directory = mkdtempSync(join(tmpdir(), "albert-to-serve-"));
  expect(() => modelsToServe([`a=${directory}/typo`])).toThrow(`nothing is at ${directory}/typo, from where a is`);
  writeFileSync(join(directory, "manifest.json"), "{");
  writeFileSync(join(directory, "model.ckpt.index"), "");
  expect(modelsToServe([directory, `b=${join(directory, "model.ckpt")}`]).map(({ name }) => name)).toEqual([
    basename(directory),
    "b",
  ]);
  rmSync(directory, { recursive: true });
});
