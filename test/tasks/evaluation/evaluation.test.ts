import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { ClassificationHead, Head } from "../../../src/model/heads.ts";
import type { OutputTensors, SequenceInput } from "../../../src/runtime/engine.ts";
import type { ClassificationExample, Example } from "../../../src/tasks/datasets/examples.ts";
import { evaluateDataset } from "../../../src/tasks/evaluation/evaluate-dataset.ts";
import { evaluationFile, float32Text, predictionFiles } from "../../../src/tasks/evaluation/official-files.ts";
import { runSequences, type SequenceRunner } from "../../../src/tasks/evaluation/run-sequences.ts";
import { toyModel } from "../../support/models/toy-model.ts";

const location = { file: "f", line: 1, column: 1 };

/** An engine that answers each sequence by a function of its tokens, and remembers the batches it was given. */
function toyEngine(answer: (sequence: SequenceInput) => OutputTensors, tokenBudget = 20) {
  const batches: number[][] = [];
  const engine: SequenceRunner = {
    tokenBudget,
    async run(sequences) {
      batches.push(sequences.map(({ inputIds }) => inputIds.length));
      await new Promise(setImmediate);
      const outputs = sequences.map((sequence) => new Map(sequence.outputs.map((name) => [name, answer(sequence)])));
      return { outputs, cost: { tokens: 0, paddedTokens: 0, assembleMs: 0, runMs: 0 } };
    },
  };
  return { engine, batches };
}

function sequenceOf(length: number, mark: number): SequenceInput {
  return { inputIds: new Int32Array(length).fill(mark), tokenTypeIds: new Int32Array(length), outputs: ["h"] };
}

describe("running sequences", () => {
  it("gives every item its own outputs, in order, in batches within the budget", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 4 }), { maxLength: 12 }),
        async (items) => {
          const { engine, batches } = toyEngine(({ inputIds }) => ({
            logits: Float32Array.of(inputIds[0]!, inputIds.length),
          }));
          const runnable = items.map((lengths, i) => ({
            id: i,
            sequences: lengths.map((length) => sequenceOf(length, i)),
          }));
          const seen: unknown[] = [];
          for await (const { item, outputs } of runSequences(engine, runnable)) {
            seen.push([item.id, outputs.map((output) => Array.from(output.get("h")!["logits"]!))]);
          }
          expect(seen).toEqual(items.map((lengths, i) => [i, lengths.map((length) => [i, length])]));
          for (const batch of batches) {
            const tokens = batch.reduce((sum, length) => sum + length, 0);
            expect(batch.length === 1 || tokens <= engine.tokenBudget).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("passes an engine's failure on, and stops when told to", async () => {
    const failing: SequenceRunner = {
      tokenBudget: 4,
      run: async () => {
        throw new AlbertError("unavailable", "gone", { reason: "WORKER_LOST" });
      },
    };
    const items = Array.from({ length: 9 }, (_, i) => ({ sequences: [sequenceOf(3, i)] }));
    const drain = async (engine: SequenceRunner, signal?: AbortSignal) => {
      for await (const _ of runSequences(engine, items, signal));
    };
    await expect(drain(failing)).rejects.toMatchObject({ reason: "WORKER_LOST" });
    const { engine } = toyEngine(() => ({ logits: Float32Array.of(0) }), 3);
    await expect(drain(engine, AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
  });
});

describe("evaluating a dataset", () => {
  const texts = (rows: readonly (readonly [string, ClassificationExample["label"]])[]) =>
    rows.map(
      ([text, label], i): Example => ({
        kind: "classification",
        id: `dev-${i}`,
        text,
        ...(label === undefined ? {} : { label }),
        location,
      }),
    );
  const head = (problemType: ClassificationHead["problemType"], labels: readonly string[]): Head => ({
    name: "h",
    kind: "classification",
    problemType,
    labels,
  });
  /** Scores a text by its length: one word is the second label. */
  const byLength = ({ inputIds }: SequenceInput) => ({ logits: Float32Array.of(0, inputIds.length === 3 ? 2 : -2) });

  it("measures a sentence encoder by the cosine of its vectors, and takes a regression head where there is one", async () => {
    const pair = (text: string, textPair: string, label: number): Example => ({
      ...{ kind: "classification", id: `${text}/${textPair}`, text, textPair, label, location },
    });
    // A word's vector turns with its letter; the marks around a text weigh nothing.
    const angles: Record<string, number> = { a: 0, b: 0.5, c: 2 };
    const model = { ...toyModel([]), encoding: { pooling: "mean", normalize: true } as const };
    const { engine } = toyEngine(({ inputIds }) => {
      const vectors = [...inputIds].map((id) => {
        const angle = angles[model.tokenizer.pieceOf(id).slice(1)];
        return angle === undefined ? [0, 0] : [Math.cos(angle), Math.sin(angle)];
      });
      return { values: Float32Array.from(vectors.flat()) };
    });
    const rows = [pair("a", "a", 5), pair("a", "b", 4), pair("a", "c", 1), pair("b", "c", 0)];
    const { metrics, predictions } = await evaluateDataset(engine, model, "sts-b", rows);
    const values = predictions.rows.map((row) => ("probabilities" in row ? row.probabilities[0]! : Number.NaN));
    for (const [i, difference] of [0, 0.5, 2, 1.5].entries()) expect(values[i]).toBeCloseTo(Math.cos(difference), 6);
    expect(Object.keys(metrics)).toEqual(["pearson", "spearman"]);
    expect(metrics["spearman"]).toBeCloseTo(0.8, 6);
    const asked: (readonly string[])[] = [];
    const regression = toyEngine(({ outputs }) => {
      asked.push(outputs);
      return { logits: Float32Array.of(1) };
    });
    const withHead = { ...toyModel([head("regression", ["score"])]), encoding: model.encoding };
    await evaluateDataset(regression.engine, withHead, "sts-b", rows);
    expect(asked[0]).toEqual(["h"]);
  });

  it("reports the official names for labels, and maps official labels onto a head's own names", async () => {
    const rows = texts([
      ["one", "1"],
      ["two words", "0"],
      ["again two", "1"],
      ["x", "1"],
    ]);
    const { engine } = toyEngine(byLength);
    const model = toyModel([head("single-label", ["negative", "positive"])]);
    const progress: number[] = [];
    const { metrics, predictions, examples } = await evaluateDataset(engine, model, "sst-2", rows, {
      onProgress: (done) => progress.push(done),
    });
    expect(examples).toBe(4);
    expect(progress).toEqual([1, 2, 3, 4]);
    expect(metrics).toMatchObject({ eval_accuracy: 0.75, f1: 0.8 });
    expect(metrics["eval_loss"]).toBeCloseTo((3 * Math.log(1 + Math.exp(-2)) + Math.log(1 + Math.exp(2))) / 4, 6);
    expect(predictionFiles(predictions)[1]!.content).toBe(
      "index\tprediction\ndev-0\tpositive\ndev-1\tnegative\ndev-2\tnegative\ndev-3\tpositive\n",
    );
    const wrong = texts([["x", "2"]]);
    await expect(evaluateDataset(engine, model, "sst-2", wrong)).rejects.toMatchObject({ reason: "DATA_INVALID" });
  });

  it("reports several labels, numbers, and nothing where nothing is known", async () => {
    const { engine } = toyEngine(byLength);
    const several = toyModel([head("multi-label", ["a", "b"])]);
    const { metrics } = await evaluateDataset(
      engine,
      several,
      "classification",
      texts([
        ["x", ["a", "b"]],
        ["y z", []],
      ]),
    );
    expect(metrics).toMatchObject({ eval_accuracy: 0.5, f1_micro: 0.8 });
    const number = toyModel([head("regression", ["score"])]);
    const { engine: scorer } = toyEngine(({ inputIds }) => ({ logits: Float32Array.of(inputIds.length) }));
    const scored = await evaluateDataset(
      scorer,
      number,
      "sts-b",
      texts([
        ["x", 1],
        ["y z", 2],
        ["a b c", 3],
      ]),
    );
    expect(scored.metrics).toMatchObject({ pearson: 1, spearman: 1, MSE: 4 });
    expect(predictionFiles(scored.predictions)[0]!.content).toBe("3.0\n4.0\n5.0\n");
    expect((await evaluateDataset(scorer, number, "sts-b", texts([["x", undefined]]))).metrics).toEqual({});
  });

  it("reports accuracy for each level of RACE", async () => {
    const choice = (level: string, answer: number): Example => ({
      kind: "choice",
      id: `${level}${answer}`,
      question: "q",
      context: "c",
      choices: ["x", "y z"],
      answer,
      level,
      document: "d",
      location,
    });
    const model = toyModel([{ name: "h", kind: "multiple-choice" }]);
    const { engine } = toyEngine(({ inputIds }) => ({ logits: Float32Array.of(inputIds.length) }));
    const rows = [choice("middle", 1), choice("middle", 0), choice("high", 1)];
    const { metrics, predictions } = await evaluateDataset(engine, model, "race", rows);
    expect(metrics).toMatchObject({ middle_accuracy: 0.5, high_accuracy: 1 });
    expect(metrics["eval_accuracy"]).toBeCloseTo(2 / 3, 12);
    expect(JSON.parse(predictionFiles(predictions)[0]!.content)).toEqual({ middle1: "B", middle0: "B", high1: "B" });
  });

  const question = (id: string, answers: readonly string[]): Example => ({
    kind: "question",
    id,
    question: "q",
    context: "red green blue",
    answers: answers.map((text) => ({ text, answerStart: 0 })),
    isImpossible: answers.length === 0,
    document: "d",
    location,
  });

  it("answers questions and writes the official files", async () => {
    const model = toyModel([{ name: "h", kind: "span" }]);
    const peak = (length: number, at: number) => Float32Array.from({ length }, (_, i) => (i === at ? 5 : 0));
    const { engine } = toyEngine(({ inputIds: { length } }) => ({
      startLogits: peak(length, 3),
      endLogits: peak(length, 4),
    }));
    const rows = [question("9", ["red green"]), question("1", ["green"])];
    const { metrics, predictions } = await evaluateDataset(engine, model, "squad-v1", rows);
    expect(metrics).toMatchObject({ exact_match: 50, total: 2 });
    expect(metrics["f1"]).toBeCloseTo((100 + (200 * 0.5) / 1.5) / 2, 9);
    const files = new Map(predictionFiles(predictions).map(({ name, content }) => [name, content]));
    expect(files.get("predictions.json")).toBe('{\n    "9": "red green",\n    "1": "red green"\n}\n');
    expect(JSON.parse(files.get("nbest_predictions.json")!)["9"][0]).toMatchObject({
      start_log_prob: 5,
      end_log_prob: 5,
    });
  });

  it("finds the null threshold, or applies the one it is given", async () => {
    const model = toyModel([{ name: "h", kind: "span-answerability" }]);
    let calls = 0;
    const beams = () => ({
      startLogProbs: Float32Array.of(-0.1),
      startIndexes: Int32Array.of(3),
      endLogProbs: Float32Array.of(-0.1),
      endIndexes: Int32Array.of(3),
      answerabilityLogit: Float32Array.of(calls++),
    });
    const rows = [question("a", ["red"]), question("b", ["red"]), question("c", [])];
    const tuned = await evaluateDataset(toyEngine(beams).engine, model, "squad-v2", rows);
    expect(tuned.metrics).toMatchObject({
      exact: 100,
      HasAns_total: 2,
      NoAns_exact: 100,
      null_score_diff_threshold: 1.5,
    });
    calls = 0;
    const given = await evaluateDataset(toyEngine(beams).engine, model, "squad-v2", rows, { nullThreshold: 0.5 });
    expect(given.metrics).toMatchObject({ null_score_diff_threshold: 0.5 });
    expect(given.metrics["exact"]).toBeCloseTo(200 / 3, 9);
    calls = 0;
    const official = await evaluateDataset(toyEngine(beams).engine, model, "squad-v2", rows, {
      thresholds: "official",
    });
    expect(official.metrics).toMatchObject({ best_f1_thresh: expect.any(Number), null_score_diff_threshold: 1 });
  });

  it("needs a head of the task's kind", async () => {
    const { engine } = toyEngine(byLength);
    const run = evaluateDataset(engine, toyModel([{ name: "h", kind: "span" }]), "race", []);
    await expect(run).rejects.toMatchObject({ reason: "HEAD_MISSING" });
  });
});

describe("official files", () => {
  it("print float32 values as Python does", () => {
    expect(
      [0.1, 1, 0.63803709, 1e-5, 1.5e-7, 123456789, 0.30000001].map((value) => float32Text(Math.fround(value))),
    ).toEqual(["0.1", "1.0", "0.6380371", "1e-05", "1.5e-07", "123456790.0", "0.3"]);
  });

  it("list metrics by name", () => {
    expect(evaluationFile({ f1: 0.5, eval_accuracy: 1 }).content).toBe("eval_accuracy = 1\nf1 = 0.5\n");
  });
});
