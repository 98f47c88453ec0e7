import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EvaluationReport } from "../../../src/report/evaluation-report.ts";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
let model: string;
let data: string;

const header = "text,label,channel,price\n";
const row = (i: number) =>
  `"good film, number ${i}",${i % 3 ? "positive" : "negative"},${i % 2 ? "mail" : "chat"},${i}\n`;

beforeAll(async () => {
  model = await writeTinyModel(ALL_HEADS.slice(0, 3));
  data = folder.write("reviews.csv", header + Array.from({ length: 60 }, (_, i) => row(i)).join(""));
});
afterAll(() => {
  folder.remove();
  rmSync(dirname(model), { recursive: true, force: true });
});

const evaluate = (...flags: string[]) => evaluateOf(data, ...flags);
const evaluateOf = (file: string, ...flags: string[]) =>
  albert("evaluate", "--task", "classification", "--model", model, "--data", file, "--threads", "1", ...flags);

describe("albert evaluate", () => {
  it("prints the official metrics, then what they do not tell", async () => {
    const { printed, error } = await evaluate("--head", "sentiment");
    expect(error).toBeUndefined();
    expect(printed).toMatch(/^eval_accuracy = [\d.]+\neval_loss = /);
    expect(printed).toMatch(/60 examples, \d+ tokens in [\d.]+ s\n\nwhat to look at\n/);
    expect(printed).toMatch(/\nfigures of 60 examples, with 95 % intervals \(bootstrap, 1000 samples\)\n/);
    expect(printed).toMatch(/\nlabels\n +label +precision/);
    expect(printed).toMatch(/\nworst mistakes/);
    expect(printed).toContain("reviews.csv:");
  });

  it("writes the report as a page and as JSON, grouped by columns of the data too", async () => {
    const [page, json] = ["out/report.html", "out/report.json"].map((name) => join(folder.path, name));
    const slices = ["--slice", "channel, price", "--report-rows", "7"];
    const reports = ["--report", page!, "--report", json!];
    const { printed, error } = await evaluate("--head", "sentiment", ...slices, ...reports);
    expect(error).toBeUndefined();
    expect(printed).toMatch(/report: .*report\.html\nreport: .*report\.json\n$/);
    const report = JSON.parse(readFileSync(json!, "utf8")) as EvaluationReport;
    expect(report).toMatchObject({
      ...{ formatVersion: 1, kind: "single-label", task: "classification" },
      model: { name: "tiny" },
      data: { name: "reviews.csv", examples: 60, judged: 60 },
    });
    expect(report.data.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(report.slices.map(({ name }) => name)).toEqual(expect.arrayContaining(["label", "channel", "price"]));
    expect(report.slices.find(({ name }) => name === "channel")!.slices).toMatchObject([
      { value: "chat", rows: 30 },
      { value: "mail", rows: 30 },
    ]);
    expect(report.leastSure).toHaveLength(7);
    const accuracy = report.figures.find(({ name }) => name === "eval_accuracy")!;
    const metrics = JSON.parse((await evaluate("--head", "sentiment", "--json")).printed).metrics;
    expect(accuracy.value).toBeCloseTo(metrics.eval_accuracy, 12);
    for (const name of ["f1", "f1_macro", "matthew_corr"]) {
      expect(report.figures.find((figure) => figure.name === name)!.value).toBeCloseTo(metrics[name], 9);
    }
    expect(report.figures.find(({ name }) => name === "eval_loss")!.value).toBeCloseTo(metrics.eval_loss, 5);
    expect(readFileSync(page!, "utf8")).toContain("<h1>tiny on reviews.csv</h1>");
  });

  it("says which texts are in the training data too, whatever labels that has", async () => {
    const train = folder.write("train.csv", `text,label\n"GOOD film number 3!",other\nnothing,positive\n`);
    const json = join(folder.path, "leak.json");
    const { printed, error } = await evaluate("--head", "sentiment", "--train", train, "--report", json, "--json");
    expect(error).toBeUndefined();
    expect(JSON.parse(printed).metrics.eval_accuracy).toBeDefined();
    const { duplicates } = JSON.parse(readFileSync(json, "utf8")) as EvaluationReport;
    expect(duplicates).toMatchObject({ trainingExamples: 2, rows: 1, conflicting: 1 });
    expect(duplicates!.list).toMatchObject([{ place: "reviews.csv:5", trainingPlace: "train.csv:2" }]);
  });

  it("reports several labels and values", async () => {
    const several = folder.write("topics.csv", "text,label\na film,a|b\na day,\nthe cat,c\n");
    const values = folder.write("rating.csv", "text,label\na film,1\na day,2.5\nthe cat,4\n");
    for (const [file, head, kind] of [
      [several, "topics", "multi-label"],
      [values, "rating", "regression"],
    ] as const) {
      const json = join(folder.path, `${head}.json`);
      const { error } = await evaluateOf(file, "--head", head, "--report", json);
      expect(error).toBeUndefined();
      expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({ kind, data: { judged: 3 } });
    }
  });

  it("refuses, before anything is computed, a column that the data does not have and a file of another kind", async () => {
    const unknown = await evaluate("--head", "sentiment", "--slice", "channel,country");
    expect(unknown.error).toBe("--slice: reviews.csv has no column country: give names of its header or keys");
    const official = await albert(
      "evaluate",
      "--task",
      "sst-2",
      "--model",
      model,
      "--data",
      data,
      "--head",
      "sentiment",
      "--slice",
      "x",
    );
    expect(official.error).toMatch(/--slice: the layout of sst-2 has no columns besides/);
    const text = join(folder.path, "report.txt");
    await expect(evaluate("--head", "sentiment", "--report", text)).rejects.toThrow(
      /expected a file that ends in \.html or \.json/,
    );
    expect(existsSync(text)).toBe(false);
  });
});
