import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { modelsToServe } from "../../../src/cli/server/models-to-serve.ts";
import { AlbertError } from "../../../src/errors.ts";

it("serves the bundled models when none is named", () => {
  const bundled = ["multiple-choice", "question-answering", "sentiment"];
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
  expect(() => modelsToServe(["a=/x", "a=/y", "b c=/z"])).toThrow(AlbertError);
  expect(() => modelsToServe(["a=/x", "a=/y", "b c=/z"])).toThrow(/two models are called a.*|cannot be a name/s);
});
