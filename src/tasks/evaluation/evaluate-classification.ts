import type { ClassificationHead } from "../../model/heads.ts";
import { answeredLabel, labelProbabilities, thresholdOf } from "../classification/classification.ts";
import { dataError } from "../datasets/data-source.ts";
import { type ClassificationExample, labelIdOf, type TaskName } from "../datasets/examples.ts";
import { encodeTexts } from "../features/sequence.ts";
import {
  accuracy,
  classScores,
  confusionMatrix,
  crossEntropy,
  macroScores,
  matthewsCorrelation,
} from "../metrics/classification-metrics.ts";
import { meanSquaredError, pearsonCorrelation, spearmanCorrelation } from "../metrics/regression-metrics.ts";
import { finiteOutput } from "../outputs.ts";
import { sigmoid } from "../probabilities.ts";
import type { ClassificationPrediction, DatasetEvaluation, EvaluationInput } from "./prediction.ts";
import { runSequences } from "./run-sequences.ts";

/** Evaluates texts or pairs under a classification or regression head. */
export async function evaluateClassification(
  input: EvaluationInput<ClassificationExample>,
  head: ClassificationHead,
): Promise<DatasetEvaluation> {
  const { engine, model, task, options } = input;
  const { tokenizer, maxSequenceLength } = model;
  const rows: ClassificationPrediction[] = [];
  const scores = scoresFor(head, task);
  let tokens = 0;
  async function* items() {
    for await (const example of input.examples) {
      const pair = example.textPair === undefined ? undefined : tokenizer.tokenize(example.textPair);
      const { inputIds, tokenTypeIds } = encodeTexts(
        tokenizer,
        tokenizer.tokenize(example.text),
        pair,
        maxSequenceLength,
      );
      tokens += inputIds.length;
      yield { example, sequences: [{ inputIds, tokenTypeIds, outputs: [head.name] }] };
    }
  }
  for await (const { item, outputs } of runSequences(engine, items(), options.signal)) {
    const logits = finiteOutput(outputs[0], head.name, "logits");
    rows.push(prediction(item.example.id, logits, head));
    scores.add(item.example, logits);
    options.onProgress?.(rows.length);
  }
  return { metrics: scores.metrics(), predictions: { kind: "classification", rows }, examples: rows.length, tokens };
}

/** Gathers labels and logits of a dataset, then gives its metrics. */
interface Scores {
  add(example: ClassificationExample, logits: Float32Array): void;
  metrics(): Record<string, number>;
}

function scoresFor(head: ClassificationHead, task: TaskName): Scores {
  if (head.problemType === "regression") return new RegressionScores();
  return head.problemType === "multi-label" ? new MultiLabelScores(head) : new SingleLabelScores(head, task);
}

class SingleLabelScores implements Scores {
  readonly #head: ClassificationHead;
  readonly #task: TaskName;
  readonly #labels: number[] = [];
  readonly #predictions: number[] = [];
  #loss = 0;

  constructor(head: ClassificationHead, task: TaskName) {
    this.#head = head;
    this.#task = task;
  }

  add({ label, location }: ClassificationExample, logits: Float32Array): void {
    if (label === undefined) return;
    const id = typeof label === "string" ? labelIdOf(label, this.#head, this.#task) : -1;
    if (id < 0)
      throw dataError(location, `label is not one of head ${this.#head.name}'s: ${this.#head.labels.join(", ")}`);
    this.#labels.push(id);
    this.#predictions.push(answeredLabel(logits, this.#head));
    const { temperature = 1 } = this.#head;
    this.#loss += crossEntropy(temperature === 1 ? logits : logits.map((logit) => logit / temperature), id);
  }

  metrics(): Record<string, number> {
    const count = this.#labels.length;
    if (count === 0) return {};
    const counts = confusionMatrix(this.#labels, this.#predictions, this.#head.labels.length);
    return {
      eval_accuracy: accuracy(this.#labels, this.#predictions),
      eval_loss: this.#loss / count,
      matthew_corr: matthewsCorrelation(counts),
      ...(this.#head.labels.length === 2 ? { f1: classScores(counts, 1).f1 } : {}),
      f1_macro: macroScores(counts).f1,
    };
  }
}

class MultiLabelScores implements Scores {
  readonly #head: ClassificationHead;
  /** True positives, predicted and actual positives of each label. */
  readonly #counts: { hits: number; predicted: number; actual: number }[];
  #rows = 0;
  #exact = 0;
  #loss = 0;

  constructor(head: ClassificationHead) {
    this.#head = head;
    this.#counts = head.labels.map(() => ({ hits: 0, predicted: 0, actual: 0 }));
  }

  add({ label, location }: ClassificationExample, logits: Float32Array): void {
    if (label === undefined) return;
    const names = typeof label === "string" ? [label] : typeof label === "number" ? [String(label)] : label;
    const unknown = names.find((name) => !this.#head.labels.includes(name));
    if (unknown !== undefined) throw dataError(location, `a label is not one of head ${this.#head.name}'s`);
    let wrong = 0;
    let loss = 0;
    this.#head.labels.forEach((name, i) => {
      const actual = names.includes(name);
      const predicted = sigmoid(logits[i]!) >= thresholdOf(this.#head, i);
      const count = this.#counts[i]!;
      if (actual && predicted) count.hits++;
      if (actual) count.actual++;
      if (predicted) count.predicted++;
      if (actual !== predicted) wrong++;
      loss += Math.max(logits[i]!, 0) - logits[i]! * (actual ? 1 : 0) + Math.log1p(Math.exp(-Math.abs(logits[i]!)));
    });
    this.#rows++;
    if (wrong === 0) this.#exact++;
    this.#loss += loss / this.#head.labels.length;
  }

  metrics(): Record<string, number> {
    if (this.#rows === 0) return {};
    const f1 = (hits: number, others: number) => (others === 0 ? 0 : (2 * hits) / others);
    const total = (key: "hits" | "predicted" | "actual") => this.#counts.reduce((sum, count) => sum + count[key], 0);
    return {
      eval_accuracy: this.#exact / this.#rows,
      eval_loss: this.#loss / this.#rows,
      f1_micro: f1(total("hits"), total("predicted") + total("actual")),
      f1_macro:
        this.#counts.reduce((sum, { hits, predicted, actual }) => sum + f1(hits, predicted + actual), 0) /
        this.#counts.length,
    };
  }
}

class RegressionScores implements Scores {
  readonly #labels: number[] = [];
  readonly #predictions: number[] = [];

  add({ label, location }: ClassificationExample, logits: Float32Array): void {
    if (label === undefined) return;
    if (typeof label !== "number") throw dataError(location, "a regression needs a number as its label");
    this.#labels.push(label);
    this.#predictions.push(logits[0]!);
  }

  metrics(): Record<string, number> {
    if (this.#labels.length === 0) return {};
    const mse = meanSquaredError(this.#labels, this.#predictions);
    return {
      pearson: pearsonCorrelation(this.#labels, this.#predictions),
      spearman: spearmanCorrelation(this.#labels, this.#predictions),
      MSE: mse,
      eval_loss: mse,
    };
  }
}

function prediction(id: string, logits: Float32Array, head: ClassificationHead): ClassificationPrediction {
  if (head.problemType === "regression") return { id, probabilities: [logits[0]!], predicted: logits[0]! };
  const probabilities = [...labelProbabilities(logits, head)];
  if (head.problemType === "multi-label") {
    return { id, probabilities, predicted: head.labels.filter((_, i) => probabilities[i]! >= thresholdOf(head, i)) };
  }
  return { id, probabilities, predicted: head.labels[answeredLabel(logits, head)]! };
}
