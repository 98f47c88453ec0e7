import type { ClassificationHead } from "../../model/heads.ts";
import { dataError } from "../datasets/data-source.ts";
import type { ClassificationExample, TaskName } from "../datasets/examples.ts";
import { planEncoding } from "../masked-lm/encoding.ts";
import { pearsonCorrelation, spearmanCorrelation } from "../metrics/regression-metrics.ts";
import type { TaskModel } from "../plan.ts";
import type { ClassificationPrediction, DatasetEvaluation, EvaluationInput } from "./prediction.ts";
import { runSequences } from "./run-sequences.ts";

// Measures a sentence encoder by what it was made for: whether the cosine of two texts' vectors goes with how alike people find
// them. It is how the STS tasks measure encoders without training (Cer et al., "SemEval-2017 Task 1", 2017).

/** What stands for a head where vectors answer: a value for each pair. */
export const COSINE: ClassificationHead = {
  kind: "classification",
  name: "cosine",
  problemType: "regression",
  labels: ["cosine"],
};

/** Whether a model answers a task by its vectors: one made for vectors, without a head for pairs, on pairs with a likeness. */
export function comparesVectors(model: TaskModel, task: TaskName): boolean {
  return task === "sts-b" && model.encoding !== undefined && !model.heads.some(({ kind }) => kind === "classification");
}

/** Evaluates pairs of texts by the cosine of their vectors, pooled as the model's maker does. Each text is its own sequence. */
export async function evaluateSimilarity(input: EvaluationInput<ClassificationExample>): Promise<DatasetEvaluation> {
  const { engine, model, options } = input;
  const rows: ClassificationPrediction[] = [];
  const labels: number[] = [];
  const compared: number[] = [];
  let tokens = 0;
  async function* items() {
    for await (const example of input.examples) {
      const texts = [example.text, textPairOf(example)] as const;
      const plans = texts.map((text) => planEncoding({ text, truncation: "truncate" }, model));
      for (const plan of plans) tokens += plan.tokens;
      yield { example, plans, sequences: plans.flatMap(({ sequences }) => sequences) };
    }
  }
  for await (const { item, outputs } of runSequences(engine, items(), options.signal)) {
    const [a, b] = item.plans.map((plan, i) => plan.answer([outputs[i]!]).embedding);
    const value = cosine(a!, b!);
    rows.push({ id: item.example.id, probabilities: [value], predicted: value });
    if (typeof item.example.label === "number") {
      labels.push(item.example.label);
      compared.push(value);
    }
    options.onProgress?.(rows.length);
  }
  const metrics: Record<string, number> =
    labels.length === 0
      ? {}
      : { pearson: pearsonCorrelation(labels, compared), spearman: spearmanCorrelation(labels, compared) };
  return { metrics, predictions: { kind: "classification", rows }, examples: rows.length, tokens };
}

function textPairOf({ textPair, location }: ClassificationExample): string {
  if (textPair === undefined) throw dataError(location, "vectors are compared in pairs, and here is one text");
  return textPair;
}

/** Cosine of the angle between two vectors of one length, in double precision; 0 where one of them is zero. */
function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  const norms = Math.sqrt(squaresA * squaresB);
  return norms === 0 ? 0 : dot / norms;
}
