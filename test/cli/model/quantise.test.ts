import { createHash } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trunkProducts } from "../../../src/model/activation-scales.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { SCALES_FILE } from "../../../src/model/directory/scales-file.ts";
import { albert, tinyFolder, writeTinyClassifier } from "../tiny-run.ts";

const folder = tinyFolder();
afterAll(() => folder.remove());

const source = join(folder.path, "source");
const quantised = join(folder.path, "quantised");
const ROWS = 60;
let data: string;

const quantise = (output: string, ...flags: string[]) =>
  albert("quantise", source, "--task", "classification", "--calibration", data, "--output", output, ...flags);

beforeAll(async () => {
  const sizes = { embedding_size: 16, hidden_size: 32, intermediate_size: 64 };
  ({ data } = await writeTinyClassifier(folder, sizes, ROWS));
});

describe("albert quantise", () => {
  it("finds scales from drawn examples, measures int8 with them on other data, and keeps both with the version", async () => {
    const { printed, said, error } = await quantise(
      quantised,
      "--calibration-examples",
      "40",
      "--data",
      data,
      "--json",
    );
    expect(error).toBeUndefined();
    expect(said).toContain("observing what its products multiply");
    const report = JSON.parse(printed);
    const [before, after] = [await openModelDirectory(source), await openModelDirectory(quantised)];
    expect(after.parameters).toEqual(before.parameters);
    expect(after.scales!.size + report.inFloat32.length).toBe(trunkProducts(before.config).length);
    expect(after.manifest).toMatchObject({ name: "quantised", metrics: { eval_accuracy: 0.25 } });
    expect(after.manifest.lineage!.quantised).toMatchObject({
      ...{ from: before.digest, task: "classification", examples: 40, seed: 1, products: 5 },
      measured: { examples: ROWS, task: "classification" },
    });
    const { measured } = report;
    expect(after.manifest.lineage!.quantised!.measured).toEqual(measured);
    expect(measured.after.eval_loss).not.toBe(measured.before.eval_loss);
    expect(measured.after.eval_loss).toBeCloseTo(measured.before.eval_loss, 2);
    const shown = (await albert("inspect", quantised)).printed;
    expect(shown).toMatch(
      /scales {6}int8 by the scales of 40 examples \(classification\); \d of 5 products in float32\n/,
    );
    expect(shown).toContain(`${measured.changedAnswers} of ${ROWS} answers changed`);
  }, 60_000);

  it.each(["quantise", "convert"])("%s refuses an output that exists before it works for it", async (command) => {
    const flags = command === "convert" ? ["--weights", "int8", "--data", data] : ["--calibration", data];
    const refused = await albert(command, source, "--task", "classification", ...flags, "--output", quantised);
    expect(refused.error).toMatch(/quantised exists: choose another --output/);
    expect(refused.said).toBe("");
  });

  it("leaves nothing of the scales in what is exported and imported again", async () => {
    const [exported, imported] = ["hf", "imported"].map((name) => join(folder.path, name)) as [string, string];
    expect((await albert("export", quantised, "--format", "hf", "--output", exported)).error).toBeUndefined();
    expect((await albert("import", exported, "--output", imported)).error).toBeUndefined();
    const { scales, manifest, parameters } = await openModelDirectory(imported);
    expect([scales, manifest.lineage?.quantised]).toEqual([undefined, undefined]);
    expect(parameters).toEqual((await openModelDirectory(source)).parameters);
  });

  it("leaves scales where the weights are stored otherwise, but not what was measured of them", async () => {
    const smaller = join(folder.path, "smaller");
    await albert("convert", quantised, "--weights", "float16", "--output", smaller);
    const [before, after] = [await openModelDirectory(quantised), await openModelDirectory(smaller)];
    expect(after.scales).toEqual(before.scales);
    expect(after.manifest.lineage).toMatchObject({ quantised: { examples: 40 }, converted: { weights: "float16" } });
    expect(after.manifest.lineage!.quantised).not.toHaveProperty("measured");
  });

  it("refuses scales that are damaged, missing or of another model, by name", async () => {
    const damaged = join(folder.path, "damaged");
    cpSync(quantised, damaged, { recursive: true });
    const file = join(damaged, SCALES_FILE);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"scales":[', '"scales":[1,'));
    expect((await albert("inspect", damaged)).error).toMatch(/activation-scales\.json has sha256 .* manifest says/);
    // Whoever writes the digest anew has not made the file right.
    const manifest = JSON.parse(readFileSync(join(damaged, "manifest.json"), "utf8"));
    manifest.files[SCALES_FILE] = createHash("sha256").update(readFileSync(file)).digest("hex");
    writeFileSync(join(damaged, "manifest.json"), JSON.stringify(manifest));
    expect((await albert("inspect", damaged)).error).toMatch(
      /scales should be 1 finite numbers above 0, found 2 values/,
    );
    rmSync(file);
    expect((await albert("inspect", damaged)).error).toMatch(
      /activation-scales\.json is missing from the model directory/,
    );
  });
});
