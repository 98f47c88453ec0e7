import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
afterAll(() => folder.remove());

const rows = (word: string, count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ text: `${word} ${i} ${i % 2 === 0 ? "good" : "bad"}`, label: i % 2 === 0 ? "up" : "down" }),
  ).join("\n");
const few = folder.write("few.jsonl", rows("film", 20));
const many = folder.write("many.jsonl", rows("cat", 40));
const output = join(folder.path, "model");
const flags = (...more: readonly string[]) => [
  ...["train", "--task", "classification", ...folder.start, "--threads", "1"],
  ...["--train-step", "4", "--train-batch-size", "8", "--learning-rate", "0.01", "--max-seq-length", "16"],
  ...["--warmup-step", "0", "--output", output, ...more],
];

describe("albert train, several times", { timeout: 120_000 }, () => {
  it("draws files in their shares, holds each fold out once, and keeps one run with what all of them gave", async () => {
    const asked = flags("--train", `${few}=3`, "--train", many, "--folds", "2", "--publish", "median");
    const plan = await albert(...asked, "--plan");
    expect(plan.error).toBeUndefined();
    expect(plan.printed).toMatch(/^runs +2, one after the other$/m);
    expect(plan.printed).toMatch(/^steps +8 /m);
    expect(plan.printed).toMatch(/^mix +75 % of \d+, 25 % of \d+ /m);

    const { printed, said, error } = await albert(...asked, "--json");
    expect(error).toBeUndefined();
    expect(said).toContain("fold-2, run 2 of 2");
    expect(said).toMatch(/2 runs: eval_accuracy .* on average \(95 % interval .*; fold-[12] is the median and kept/);
    const { metrics, repeats, predictionFiles } = JSON.parse(printed);
    const values = repeats.runs.map((run: { metrics: Record<string, number> }) => run.metrics["eval_accuracy"]);
    expect(metrics["eval_accuracy_mean"]).toBeCloseTo((values[0] + values[1]) / 2, 12);
    const answers = predictionFiles.find((file: string) => file.endsWith("out_of_fold.jsonl"));
    expect(readFileSync(answers, "utf8").trim().split("\n")).toHaveLength(60);
    expect((await albert("inspect", output)).printed).toMatch(
      /chosen {6}fold-[12], the median of 2 runs\n +fold-1 eval_accuracy/,
    );
  });

  it("refuses what contradicts itself", async () => {
    const refused = async (...more: string[]) => (await albert(...flags(...more))).error;
    const other = output.replace("model", "other");
    expect(await refused("--train", many, "--folds", "2", "--eval", few, "--output", other)).toMatch(
      /leave --eval out/,
    );
    expect(await refused("--train", many, "--folds", "2", "--seeds", "2", "--output", other)).toMatch(/excludes folds/);
    expect(await refused("--train", `${many}=2`, "--output", other)).toMatch(/a single file has no share/);
    expect(await refused("--train", `${many}=2`, "--train", `${few}=-1`, "--output", other)).toMatch(/weights above 0/);
    expect(await refused("--train", many, "--folds", "1", "--output", other)).toMatch(/an integer from 2 to 100/);
  });
});
