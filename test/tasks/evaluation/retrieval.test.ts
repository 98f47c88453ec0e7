import { describe, expect, it } from "vitest";
import { scoreExamples } from "../../../src/report/comparison/scored-examples.ts";
import { makeReport } from "../../../src/report/make-report.ts";
import { SEQUENCE_OUTPUT, type SequenceInput } from "../../../src/runtime/engine.ts";
import type { PairExample } from "../../../src/tasks/datasets/examples.ts";
import { answeringHead, evaluateDataset } from "../../../src/tasks/evaluation/evaluate-dataset.ts";
import { predictionFiles } from "../../../src/tasks/evaluation/official-files.ts";
import type { TaskModel } from "../../../src/tasks/plan.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";

/** Every word is a direction in the plane, by its angle in degrees: `w30` lies between `w0` and `w60`. */
const ANGLES = [0, 10, 20, 30, 60, 90, 100, 180];
const WORDS = ANGLES.map((angle) => `w${angle}`);
const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS];
const tokenizer = loadTokenizer({
  kind: "wordpiece",
  bytes: new TextEncoder().encode(words.join("\n")),
  lowerCase: true,
});
const model: TaskModel = {
  tokenizer,
  heads: [],
  maxSequenceLength: 8,
  encoding: { pooling: "mean", normalize: false },
};

/** Of length 3, which must not matter. Special tokens are nothing. */
const engine = {
  tokenBudget: 100,
  async run(sequences: readonly SequenceInput[]) {
    const vector = (id: number) => {
      const angle = ANGLES[id - 5];
      if (angle === undefined) return [0, 0];
      return [3 * Math.cos((angle * Math.PI) / 180), 3 * Math.sin((angle * Math.PI) / 180)];
    };
    const outputs = sequences.map(
      ({ inputIds }) =>
        new Map([[SEQUENCE_OUTPUT, { values: Float32Array.from(Array.from(inputIds).flatMap(vector)) }]]),
    );
    // biome-ignore lint/suspicious/noExplicitAny: as much of an engine's answer as an evaluation reads
    return { outputs } as any;
  },
};

let line = 0;
function pair(anchor: string, positives: readonly string[], more: Partial<PairExample> = {}): PairExample {
  const location = { file: "pairs.csv", line: ++line, column: 1 };
  return { kind: "pair", id: `row-${line}`, anchor, positives, negatives: [], location, ...more };
}

const evaluate = (examples: readonly PairExample[], of: TaskModel = model) =>
  evaluateDataset(engine, of, "contrastive", examples);
const ranksOf = async (examples: readonly PairExample[]) => {
  const { predictions } = await evaluate(examples);
  return predictions.kind === "retrieval" ? predictions.rows.map(({ rank }) => rank) : [];
};

describe("whether texts find their partners", () => {
  it("is told by the place of the right text among all of the set", async () => {
    // Candidates: 20, 100, 30. For 0: 20 is nearest. For 90: 100. For 10: 20 before 30.
    const examples = [pair("w0", ["w20"]), pair("w90", ["w100"]), pair("w10", ["w30"])];
    expect(await ranksOf(examples)).toEqual([1, 1, 2]);
    const { metrics, predictions } = await evaluate(examples);
    expect(metrics).toEqual({ mrr: 2.5 / 3, recall_at_1: 2 / 3, recall_at_5: 1, recall_at_10: 1 });
    expect(predictions.rows[2]).toMatchObject({
      predicted: "w20",
      similarity: expect.closeTo(Math.cos(Math.PI / 9), 5),
    });
    expect(predictionFiles(predictions)[0]?.name).toBe("predictions.jsonl");
  });

  it("counts the negatives of every row as wrong, and no other partner of the same anchor", async () => {
    expect(await ranksOf([pair("w0", ["w30"], { negatives: ["w10"] }), pair("w90", ["w60"])])).toEqual([2, 1]);
    expect(await ranksOf([pair("w0", ["w30"]), pair("w0", ["w20"])])).toEqual([1, 1]);
    expect(await ranksOf([pair("w0", ["w30", "w10"]), pair("w90", ["w20"])])).toEqual([1, 2]);
    expect(await ranksOf([pair("w0", ["w30"]), pair("w90", ["w0"])])).toEqual([1, 2]);
  });

  it("is not told by vectors that are all the same", async () => {
    const { metrics } = await evaluate([pair("w0", ["w10 [MASK]"]), pair("w20", ["w10 [PAD]"])]);
    expect(metrics["recall_at_1"]).toBe(0);
  });

  it("goes by the score where pairs have one", async () => {
    const scored = [
      pair("w0", ["w10"], { score: 5 }),
      pair("w0", ["w60"], { score: 3 }),
      pair("w0", ["w180"], { score: 0.5 }),
    ];
    const found = await evaluate(scored);
    expect(found.metrics).toEqual({ spearman: 1, pearson: expect.closeTo(0.95, 1) });
    const head = answeringHead(model, "contrastive", undefined);
    const report = await makeReport({ task: "contrastive", head, examples: scored, evaluation: found });
    expect(report.kind).toBe("similarity");
    expect(scoreExamples("contrastive", scored, found, undefined).metric.name).toBe("pearson");
    const both = await evaluate([...scored, pair("w0", ["w20"])]);
    expect(both.metrics).toMatchObject({ mrr: 1, spearman: 1 });
  });

  it("is reported with the rows that found another text, and decides at the gate", async () => {
    const examples = [pair("w0", ["w20"]), pair("w90", ["w100"]), pair("w10", ["w30"])];
    const evaluation = await evaluate(examples);
    const head = answeringHead(model, "contrastive", undefined);
    const report = await makeReport({ task: "contrastive", head, examples, evaluation, training: [examples[0]!] });
    expect(report).toMatchObject({ kind: "retrieval", data: { examples: 3, judged: 3 }, duplicates: { rows: 1 } });
    expect(report.figures.map(({ name }) => name)).toEqual(["mrr", "recall_at_1", "recall_at_5", "recall_at_10"]);
    expect(report.worst).toMatchObject([{ text: "w10", right: "w30", predicted: "w20" }]);
    const { metric, set } = scoreExamples("contrastive", examples, evaluation, undefined);
    expect([metric.name, ...set.scores]).toEqual(["mrr", 1, 1, 0.5]);
  });

  it("needs a model that was made for vectors", () => {
    const { encoding: _, ...plain } = model;
    expect(() => answeringHead(plain, "contrastive", undefined)).toThrow(/no sentence encoder/);
    expect(() => answeringHead(model, "contrastive", "sentiment")).toThrow(/vectors come from the trunk/);
  });
});
