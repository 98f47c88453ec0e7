import type { Answerer, VectorOutput } from "../../model/heads.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { TaskData } from "../features/task-data.ts";

// Tells what the figures of a finished run do not say by themselves, such as a model that learnt nothing.

/** As much of a data set as a baseline needs. */
type Rows = Pick<TaskData, "count" | "examples">;

/** Kinds of findings. */
const FINDING_REASONS = ["TRIVIAL_BASELINE", "STILL_IMPROVING", "AVERAGES_DIFFER"] as const;

/** Something about a finished run that its figures alone do not tell, and what to try. */
export interface Finding {
  readonly reason: (typeof FINDING_REASONS)[number];
  readonly message: string;
}

/** Whether the reason of a warning is that of a finding. */
export function isFindingReason(reason: unknown): reason is Finding["reason"] {
  return (FINDING_REASONS as readonly unknown[]).includes(reason);
}

/** What answering without looking at the text would get on the evaluation data. */
export interface TrivialBaseline {
  /** The predictor in words, such as `always "spam"`. */
  readonly predictor: string;
  readonly metric: string;
  readonly value: number;
  /** Two standard errors of the metric on as many examples: figures this near are the same. */
  readonly noise: number;
}

/**
 * The trivial predictor of a head: the most frequent label (or set of labels) of the training data, the mean of its values, or one
 * choice in turn. Undefined where there is none, as for answers in texts.
 */
export async function trivialBaseline(
  head: Answerer,
  train: Rows,
  evaluation: Rows,
): Promise<TrivialBaseline | undefined> {
  if (head.kind === "multiple-choice") {
    let chance = 0;
    for await (const example of evaluation.examples()) {
      if (example.kind === "choice") chance += 1 / example.choices.length;
    }
    return shareBaseline("any choice", chance / Math.max(1, evaluation.count), evaluation.count);
  }
  if (head.kind === "vectors") return chanceOfVectors(head, evaluation);
  if (head.kind !== "classification") return undefined;
  if (head.problemType === "regression") {
    // Values that do not follow the text correlate with it by chance alone: 1 / sqrt(n) is one standard error.
    const noise = 2 / Math.sqrt(Math.max(1, evaluation.count));
    return { predictor: "the mean value", metric: "pearson", value: 0, noise };
  }
  const counts = new Map<string, number>();
  for await (const example of train.examples()) {
    const label = labelOf(example);
    if (label !== undefined) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const [majority] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [undefined];
  if (majority === undefined) return undefined;
  let right = 0;
  for await (const example of evaluation.examples()) if (labelOf(example) === majority) right++;
  return shareBaseline(`always ${JSON.stringify(majority)}`, right / Math.max(1, evaluation.count), evaluation.count);
}

/** Finding a partner by drawing lots: the expected reciprocal rank among as many texts as there are. */
async function chanceOfVectors({ measure }: VectorOutput, evaluation: Rows): Promise<TrivialBaseline> {
  const noise = 2 / Math.sqrt(Math.max(1, evaluation.count));
  if (measure === "likeness") return { predictor: "any value", metric: "spearman", value: 0, noise };
  const texts = new Set<string>();
  for await (const example of evaluation.examples()) {
    if (example.kind !== "pair" || example.score !== undefined) continue;
    for (const text of [...example.positives, ...example.negatives]) texts.add(text);
  }
  const count = Math.max(1, texts.size);
  let [mean, squares] = [0, 0];
  for (let rank = 1; rank <= count; rank++) {
    mean += 1 / rank / count;
    squares += 1 / rank ** 2 / count;
  }
  const spread = Math.sqrt(Math.max(0, squares - mean * mean) / Math.max(1, evaluation.count));
  return { predictor: "any text", metric: "mrr", value: mean, noise: 2 * spread };
}

function shareBaseline(predictor: string, value: number, count: number): TrivialBaseline {
  const noise = 2 * Math.sqrt((value * (1 - value)) / Math.max(1, count));
  return { predictor, metric: "eval_accuracy", value, noise };
}

function labelOf(example: Example): string | undefined {
  if (example.kind !== "classification" || example.label === undefined) return undefined;
  const { label } = example;
  return Array.isArray(label) ? [...label].sort().join(", ") : String(label);
}

/** Reports a run that learnt no more than its trivial predictor knows. */
export function compareWithBaseline(
  { predictor, metric, value, noise }: TrivialBaseline,
  metrics: Readonly<Record<string, number>>,
): Finding | undefined {
  const reached = metrics[metric] ?? Number.NaN; // a correlation with a constant is no number
  if (reached > value + noise) return undefined;
  const got = Number.isNaN(reached) ? "has no value" : `${Number(reached.toFixed(4))}`;
  return {
    reason: "TRIVIAL_BASELINE",
    message: `${metric} ${got} is within noise of ${predictor} (${Number(value.toFixed(4))}): ${LEARNT_NOTHING} ${WHAT_TO_TRY}`,
  };
}

/** In every message about a model that knows no more than its trivial predictor. */
export const LEARNT_NOTHING = "this model has learnt nothing that shows.";

/** Whether a message is one of `compareWithBaseline`. */
export function saysTrivial(message: string): boolean {
  return message.includes(LEARNT_NOTHING);
}

const WHAT_TO_TRY =
  "Try more passes (num_train_epochs), a higher learning_rate, more rows, and look whether the labels follow from the texts";

/** Losses in each of the parts of a run that are compared. */
const FEWEST = 8;

/**
 * Reports a training loss that still falls when the run ends: its last fifth lies clearly below the fifth before, and far from
 * where it could not fall much further.
 *
 * @param losses  of every step, in order
 */
export function lookAtLosses(losses: readonly number[]): Finding | undefined {
  const fifth = Math.floor(losses.length / 5);
  if (fifth < FEWEST) return undefined;
  const first = describe(losses.slice(0, fifth));
  const before = describe(losses.slice(-2 * fifth, -fifth));
  const last = describe(losses.slice(-fifth));
  const error = Math.sqrt((before.variance + last.variance) / fifth);
  const falls = last.mean < 0.95 * before.mean && before.mean - last.mean > 2 * error;
  if (!falls || last.mean < 0.25 * first.mean) return undefined;
  return {
    reason: "STILL_IMPROVING",
    message: `the training loss still fell when the run ended (${before.mean.toFixed(3)} to ${last.mean.toFixed(3)} over its last fifth): more passes (num_train_epochs) are likely to help`,
  };
}

function describe(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

/** Reports averaged and plain weights that differ much in the selection metric. */
export function compareAverages(
  metric: string,
  averaged: number | undefined,
  plain: number | undefined,
): Finding | undefined {
  if (averaged === undefined || plain === undefined) return undefined;
  const scale = Math.max(Math.abs(averaged), Math.abs(plain));
  if (!(Math.abs(averaged - plain) > 0.03 * scale)) return undefined;
  return {
    reason: "AVERAGES_DIFFER",
    message: `${metric} is ${Number(averaged.toFixed(4))} with the averaged weights, which are kept, and ${Number(plain.toFixed(4))} with the plain ones: where the plain ones are better, lower ema_decay or train longer`,
  };
}
