import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
let model: string;
const files: string[] = [];

beforeAll(async () => {
  model = await writeTinyModel(ALL_HEADS.slice(0, 1), 1);
  for (const name of ["monday", "tuesday"]) {
    const rows = Array.from({ length: 20 }, (_, i) => `"${name} film ${i}",${i % 3 ? "positive" : "negative"}`);
    files.push(folder.write(`${name}.csv`, `text,label\n${rows.join("\n")}\n`));
  }
});
afterAll(() => {
  folder.remove();
  rmSync(dirname(model), { recursive: true, force: true });
});

const run = (command: string, data: readonly string[], ...flags: string[]) =>
  albert(command, "--task", "classification", "--model", model, "--threads", "1", ...flags, "--data", ...data);

describe("albert evaluate over several files", () => {
  const output = join(folder.path, "results");

  it("measures each, as it would alone, with results and report of its own", async () => {
    const report = join(folder.path, "report.json");
    const { printed, error } = await run("evaluate", files, "--output", output, "--report", report, "--json");
    expect(error).toBeUndefined();
    const done = JSON.parse(printed);
    expect(done.map(({ before }: { before: boolean }) => before)).toEqual([false, false]);
    const alone = JSON.parse((await run("evaluate", files.slice(1), "--json")).printed);
    expect(done[1].metrics).toEqual(alone.metrics);
    expect(readFileSync(join(output, "tuesday/eval_results.txt"), "utf8")).toContain("eval_accuracy");
    expect(JSON.parse(readFileSync(join(folder.path, "report.monday.json"), "utf8")).data.name).toBe("monday.csv");
  });

  it("goes on where it was interrupted, and begins anew with other data or settings", async () => {
    const results = join(output, "monday/eval_results.txt");
    const { mtimeMs } = statSync(results);
    rmSync(join(output, "tuesday"), { recursive: true });
    const again = await run("evaluate", files, "--output", output);
    expect(again.printed).toMatch(/^FILE +EXAMPLES +/);
    expect(again.printed).toMatch(/monday\.csv +20 .*measured before\n/);
    expect(again.printed.split("\n").filter((line) => line.includes("measured before"))).toHaveLength(1);
    expect(statSync(results).mtimeMs).toBe(mtimeMs);
    expect((await run("evaluate", files, "--output", output, "--max-seq-length", "8")).printed).not.toContain("before");
    writeFileSync(files[0]!, readFileSync(files[0]!, "utf8").replace("monday film 0", "monday film zero"));
    const changed = await run("evaluate", files, "--output", output, "--max-seq-length", "8");
    expect(changed.printed).toMatch(/tuesday\.csv .*measured before/);
    expect(changed.printed).not.toMatch(/monday\.csv .*measured before/);
  });

  it("needs a folder, and files of different names", async () => {
    expect((await run("evaluate", files)).error).toContain("--output: several files need it");
    const error = (await run("evaluate", [files[0]!, join(folder.path, "other/monday.tsv")], "--output", output)).error;
    expect(error).toMatch(/monday\.csv and .*monday\.tsv would both be written to .*results\/monday/);
  });
});

describe("albert predict over several files", () => {
  it("answers each into a folder of its own, once", async () => {
    const output = join(folder.path, "answers");
    const first = await run("predict", files, "--output", output);
    expect(first.printed).toMatch(/^\S*monday\.csv: 20 examples: \S*answers\/monday\/\S+/);
    const alone = join(folder.path, "alone");
    await run("predict", files.slice(0, 1), "--output", alone);
    expect(readFileSync(join(output, "monday/test_results.tsv"), "utf8")).toBe(
      readFileSync(join(alone, "test_results.tsv"), "utf8"),
    );
    const second = await run("predict", files, "--output", output);
    expect(second.printed.match(/answered before/g)).toHaveLength(2);
    expect(second.said).toContain("file 2 of 2: ");
  });
});
