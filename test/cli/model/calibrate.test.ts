import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAlbertConfig } from "../../../src/model/config.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import type { ClassificationHead, Head } from "../../../src/model/heads.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { taskModel } from "../../../src/tasks/plan.ts";
import { runServer } from "../../support/running-server.ts";
import { albert, tinyFolder } from "../tiny-run.ts";

const folder = tinyFolder();
afterAll(() => folder.remove());

const MOOD: Head = { name: "mood", kind: "classification", problemType: "single-label", labels: ["down", "up"] };
const TOPICS: Head = {
  ...{ name: "topics", kind: "classification", problemType: "multi-label" },
  ...{ labels: ["art", "law", "sea"], scope: "topics" },
};
const ANSWER: Head = { name: "answer", kind: "span-answerability" };
const ROWS = 120;
const source = join(folder.path, "source");
let moods: string;
/** Few rows are "up": half is no good threshold. */
let rare: string;
let topics: string;

/** A model that is sure of what it cannot know: its weights are random, and large. */
beforeAll(async () => {
  const bytes = readFileSync(join(folder.path, "vocab.txt"));
  const words = bytes.toString("utf8").split("\n").slice(5);
  const { config } = parseAlbertConfig({
    ...{ vocab_size: words.length + 5, embedding_size: 16, hidden_size: 32, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, intermediate_size: 64, max_position_embeddings: 32, initializer_range: 0.2 },
  });
  const heads = [MOOD, TOPICS, ANSWER];
  const parameters = new Map(initialiseParameters(modelParameters(config, heads), 3));
  for (const name of ["output_weights", "heads/topics/output_weights"]) {
    const { shape, data } = parameters.get(name)!;
    parameters.set(name, { shape, data: data.map((weight) => 60 * weight) });
  }
  const vocabulary = { kind: "wordpiece", lowerCase: true, bytes } as const;
  await writeModelDirectory(source, {
    ...{ name: "source", config, heads, parameters, vocabulary },
    ...{ description: "d", lineage: { parent: "p" }, metrics: { eval_accuracy: 0.5 } },
  });
  const rows = (label: (i: number) => unknown) =>
    Array.from({ length: ROWS }, (_, i) =>
      JSON.stringify({ text: `${words[i % words.length]} ${words[(i * 7 + 3) % words.length]}`, label: label(i) }),
    ).join("\n");
  moods = folder.write(
    "moods.jsonl",
    rows((i) => (i % 11 < 5 ? "up" : "down")),
  );
  rare = folder.write(
    "rare.jsonl",
    rows((i) => (i % 11 < 2 ? "up" : "down")),
  );
  topics = folder.write(
    "topics.jsonl",
    rows((i) => ["art", "law", "sea"].filter((_, k) => (i * (k + 3)) % 5 < 2)),
  );
});

const evaluated = async (model: string, data: string, head: string) => {
  const flags = ["--task", "classification", "--model", model, "--data", data, "--head", head, "--json"];
  return JSON.parse((await albert("evaluate", ...flags)).printed).metrics;
};
const headOf = async (model: string, name: string) =>
  (await openModelDirectory(model)).heads.find((head) => head.name === name) as ClassificationHead;

describe("albert calibrate", () => {
  it("fits a temperature, which evaluation and serving apply: no answer changes, and probabilities are nearer to frequencies", async () => {
    const output = join(folder.path, "tempered");
    const flags = ["--task", "classification", "--data", moods, "--head", "mood", "--output", output];
    const { printed, error } = await albert("calibrate", source, ...flags, "--json");
    expect(error).toBeUndefined();
    const report = JSON.parse(printed);
    expect(report).toMatchObject({ task: "classification", examples: ROWS, head: { name: "mood" } });
    expect(report.after.expected_calibration_error).toBeLessThan(0.7 * report.before.expected_calibration_error);
    expect(report.after.log_loss).toBeLessThan(report.before.log_loss);

    const [before, after] = [await openModelDirectory(source), await openModelDirectory(output)];
    expect(report.from).toBe(before.digest);
    expect(after.digest).not.toBe(before.digest);
    expect(after.manifest.files).toEqual(before.manifest.files);
    expect(after.manifest).toMatchObject({ name: "tempered", description: "d", metrics: { eval_accuracy: 0.5 } });
    expect(after.manifest.metrics).toMatchObject(report.after);
    expect(after.manifest.lineage).toMatchObject({ parent: "p", calibrated: { from: before.digest, examples: ROWS } });
    const { temperature } = await headOf(output, "mood");
    expect(temperature).toBeGreaterThan(1.5);
    expect(await headOf(output, "topics")).toEqual(await headOf(source, "topics"));

    const [plain, tempered] = [await evaluated(source, moods, "mood"), await evaluated(output, moods, "mood")];
    expect(tempered.eval_accuracy).toBe(plain.eval_accuracy);
    expect(plain.eval_loss).toBeCloseTo(report.before.log_loss, 6);
    expect(tempered.eval_loss).toBeLessThan(plain.eval_loss);

    const ask = async (model: string) =>
      JSON.parse((await albert("classify", "a fine film", "--model", model, "--head", "mood", "--json")).printed)
        .labels;
    const [raw, mended] = [await ask(source), await ask(output)];
    expect(mended.map(({ label }: { label: string }) => label)).toEqual(
      raw.map(({ label }: { label: string }) => label),
    );
    expect(Math.log(mended[0].score / mended[1].score)).toBeCloseTo(
      Math.log(raw[0].score / raw[1].score) / temperature!,
      6,
    );

    const shown = (await albert("inspect", output)).printed;
    expect(shown).toContain(`single-label: down, up; temperature ${temperature!.toPrecision(4)}`);
    expect(shown).toContain(`calibrated  from ${before.digest}`);
    const again = join(folder.path, "again");
    await albert("calibrate", output, ...flags.slice(0, -1), again);
    expect((await headOf(again, "mood")).temperature).toBe(temperature); // fitted anew, not on top
    const server = await runServer({ models: [{ name: "mood", directory: output }] });
    try {
      const { heads } = (await server.client.getModel({ model: "mood" })).model!;
      expect(heads[0]).toMatchObject({ name: "mood", temperature, thresholds: [] });
    } finally {
      await server.close();
    }
  }, 120_000);

  it("fits a threshold for each of several labels, with the best F1 on the data", async () => {
    const output = join(folder.path, "thresholds");
    const flags = ["--task", "classification", "--data", topics, "--head", "topics", "--output", output];
    const { printed, error } = await albert("calibrate", source, ...flags);
    expect(error).toBeUndefined();
    const { thresholds } = await headOf(output, "topics");
    expect(thresholds).toHaveLength(3);
    expect(printed).toContain(`threshold of law = ${thresholds![1]!.toPrecision(4)}`);
    const [plain, fitted] = [await evaluated(source, topics, "topics"), await evaluated(output, topics, "topics")];
    expect(fitted.f1_macro).toBeGreaterThan(plain.f1_macro);
  }, 60_000);

  it("fits the threshold between two labels besides, by which evaluation and serving answer", async () => {
    const output = join(folder.path, "decided");
    const flags = ["--task", "classification", "--data", rare, "--head", "mood", "--fit", "threshold"];
    const { printed, error } = await albert("calibrate", source, ...flags, "--output", output, "--json");
    expect(error).toBeUndefined();
    const { after, before } = JSON.parse(printed);
    expect(Object.keys(after)).toEqual(["expected_calibration_error", "log_loss", "f1", "eval_accuracy"]);
    expect(before.f1).toBeLessThan(1);
    const { temperature, thresholds } = await headOf(output, "mood");
    expect(temperature).toBeGreaterThan(1.5);
    expect(thresholds![0]! + thresholds![1]!).toBeCloseTo(1, 12);
    // Metrics that were measured with other answers are gone.
    expect((await openModelDirectory(output)).manifest.metrics).toEqual(after);
    const [plain, fitted] = [await evaluated(source, rare, "mood"), await evaluated(output, rare, "mood")];
    expect(fitted.f1).toBeGreaterThan(plain.f1);
    const texts = ["a fine film", "dull bore again", "the cat sat", "bird", "walk run sleep"];
    for (const text of texts) {
      const asked = await albert("classify", text, "--model", output, "--head", "mood", "--json");
      const { labels } = JSON.parse(asked.printed) as { labels: { label: string; score: number }[] };
      const up = labels.find(({ label }) => label === "up")!.score;
      expect([text, labels[0]!.label]).toEqual([text, up >= thresholds![1]! ? "up" : "down"]);
    }
  }, 60_000);

  it("finds the null threshold of a SQuAD v2 head, which serving applies", async () => {
    const context = "the cat sat on the mat . a dog ran and a bird sat";
    const qas = Array.from({ length: 12 }, (_, i) => ({
      ...{ id: `q${i}`, question: `who ran ${"a".repeat(i)}`, is_impossible: i % 3 === 0 },
      answers: i % 3 === 0 ? [] : [{ text: "a dog", answer_start: context.indexOf("a dog") }],
    }));
    const squad = { version: "v2.0", data: [{ title: "t", paragraphs: [{ context, qas }] }] };
    const data = folder.write("squad.json", JSON.stringify(squad));
    const output = join(folder.path, "answers");
    const { printed, error } = await albert(
      "calibrate",
      source,
      "--task",
      "squad-v2",
      "--data",
      data,
      "--output",
      output,
      "--json",
    );
    expect(error).toBeUndefined();
    const { null_score_diff_threshold: threshold } = JSON.parse(printed).after;
    const calibrated = await openModelDirectory(output);
    expect(taskModel(calibrated).nullThreshold).toBe(threshold);
    expect(calibrated.manifest.lineage?.calibrated).toMatchObject({ task: "squad-v2", examples: 12 });
    const asked = ["ask", "who ran", context, "--model", output, "--json"];
    expect(JSON.parse((await albert(...asked)).printed).nullThreshold).toBe(threshold);
  }, 60_000);

  it("refuses too few rows, and heads that have nothing to fit", async () => {
    const few = folder.write("few.jsonl", `${JSON.stringify({ text: "a cat", label: "up" })}\n`);
    const calibrate = (data: string, head: string) =>
      albert(
        "calibrate",
        source,
        "--task",
        "classification",
        "--data",
        data,
        "--head",
        head,
        "--output",
        join(folder.path, "no"),
      );
    expect((await calibrate(few, "answer")).error).toBeDefined();
    const threshold = ["--task", "classification", "--data", topics, "--head", "topics", "--fit", "threshold"];
    const output = join(folder.path, "several");
    expect((await albert("calibrate", source, ...threshold, "--output", output)).error).toBeUndefined();
    expect((await headOf(output, "topics")).thresholds).toHaveLength(3);
    expect((await calibrate(few, "mood")).error).toMatch(/holds 1 examples with labels; expected at least 50/);
  });
});
