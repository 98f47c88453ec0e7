import { invalidInput } from "../../errors.ts";
import type { Answerer, ClassificationHead } from "../../model/heads.ts";
import { type Example, labelIdOf, officialLabels, type TaskName } from "../../tasks/datasets/examples.ts";
import type { DatasetEvaluation, DatasetPredictions } from "../../tasks/evaluation/prediction.ts";
import { predictedText } from "../../tasks/question-answering/squad-predictions.ts";
import { placeOf, shortened, textOf } from "../rows/judged-row.ts";
import { compareModels, GATE_RULES, type GateRules, LEVEL } from "./compare.ts";
import { scoreExamples } from "./scored-examples.ts";
import { differenceInWords } from "./words.ts";

// Two models on one data set: which is better, on which examples they differ, and what each costs.

/** What one model answered, and what that took. */
export interface ComparedAnswers {
  readonly name: string;
  readonly digest: string;
  readonly head: Answerer;
  readonly evaluation: DatasetEvaluation;
  readonly seconds: number;
  /** Of all its files. */
  readonly bytes: number;
}

/** What is told of each of two models. */
export interface ComparedModel {
  readonly name: string;
  readonly digest: string;
  /** Of the metric that decides. */
  readonly value: number;
  /** Wall clock of the evaluation, which batches examples, over its examples. */
  readonly millisecondsPerExample: number;
  readonly bytes: number;
}

/** An example that the two answer differently well. */
export interface ChangedRow {
  readonly id: string;
  /** `file:line` */
  readonly place: string;
  /** Shortened. */
  readonly text: string;
  readonly right: string;
  readonly before: string;
  readonly after: string;
}

export interface ModelComparison {
  readonly task: string;
  /** Official name of the metric that decides. */
  readonly metric: string;
  readonly examples: number;
  readonly before: ComparedModel;
  readonly after: ComparedModel;
  /** 95 % interval of after minus before, by a paired bootstrap. */
  readonly difference: readonly [low: number, high: number];
  /** McNemar's exact p-value, where answers are right or wrong. */
  readonly mcnemarP?: number;
  /** Which one is better beyond chance. */
  readonly better: "before" | "after" | "neither";
  /** Share of examples with the same answer; absent for values. */
  readonly agreement?: number;
  /** Examples that the second model answers better, and those it answers worse. */
  readonly fixed: { readonly rows: number; readonly list: readonly ChangedRow[] };
  readonly broken: { readonly rows: number; readonly list: readonly ChangedRow[] };
  /** What was found, in sentences. */
  readonly findings: readonly string[];
}

/**
 * Compares two models' answers to the same examples, by the test that the gate uses.
 *
 * @param rows  of each list
 * @throws AlbertError invalid-input (field "dataset") when an example has no right answer to compare with; (field "after") for
 *   models whose answers are of different kinds
 */
export function compareAnswers(
  task: TaskName,
  examples: readonly Example[],
  before: ComparedAnswers,
  after: ComparedAnswers,
  { rows = 100, rules = GATE_RULES }: { readonly rows?: number; readonly rules?: GateRules } = {},
): ModelComparison {
  requireSameAnswers(before.head, after.head);
  const [first, second] = [before, after].map(({ evaluation, head }) =>
    scoreExamples(task, examples, evaluation, head.kind === "classification" ? head : undefined),
  ) as [ReturnType<typeof scoreExamples>, ReturnType<typeof scoreExamples>];
  const compared = compareModels(first.metric, first.set, second.set, rules);
  const isWorse =
    compared.difference[1] < 0 && (compared.mcnemarP ?? 0) < LEVEL && examples.length >= rules.minExamples;
  const answers = [before, after].map(({ evaluation: { predictions }, head }) =>
    answersOf(predictions, head, task, examples),
  ) as [string[], string[]];
  const changed = (sign: 1 | -1) => {
    const gain = (row: number) => sign * (second.set.scores[row]! - first.set.scores[row]!);
    const found = [...examples.keys()].filter((row) => gain(row) > 0).sort((a, b) => gain(b) - gain(a));
    const list = found.slice(0, rows).map((row): ChangedRow => {
      const example = examples[row]!;
      return {
        id: shortened(example.id),
        place: placeOf(example),
        text: shortened(textOf(example)),
        right: shortened(rightAnswer(example, before.head, task)),
        before: shortened(answers[0][row]!),
        after: shortened(answers[1][row]!),
      };
    });
    return { rows: found.length, list };
  };
  const isValues = before.head.kind === "classification" && before.head.problemType === "regression";
  const same = answers[0].filter((answer, row) => answer === answers[1][row]).length;
  const agreement = same / examples.length;
  const names: readonly [string, string] =
    before.name === after.name ? ["the first", "the second"] : [before.name, after.name];
  return {
    task,
    metric: compared.metric,
    examples: examples.length,
    before: modelOf(before, compared.championValue),
    after: modelOf(after, compared.candidateValue),
    difference: compared.difference,
    ...(compared.mcnemarP === undefined ? {} : { mcnemarP: compared.mcnemarP }),
    better: compared.better ? "after" : isWorse ? "before" : "neither",
    ...(isValues ? {} : { agreement }),
    fixed: changed(1),
    broken: changed(-1),
    findings: [
      differenceInWords(compared, names),
      ...(isValues ? [] : [`both give the same answer to ${(100 * agreement).toFixed(1)} % of the examples`]),
      ...(examples.length < rules.minExamples ? compared.findings.slice(0, 1) : []),
      costInWords(before, after, names),
    ],
  };
}

/** @throws AlbertError invalid-input for models of which one gives labels and the other values, or the like */
function requireSameAnswers(before: Answerer, after: Answerer): void {
  const [first, second] = [before, after].map((head) =>
    head.kind === "classification" ? head.problemType : head.kind === "span-answerability" ? "span" : head.kind,
  );
  if (first === second) return;
  const description = `answers otherwise than what it is compared with (${second}, not ${first}): give two models for the same task`;
  throw invalidInput([{ field: "after", description }]);
}

function modelOf({ name, digest, evaluation, seconds, bytes }: ComparedAnswers, value: number): ComparedModel {
  return { name, digest, value, millisecondsPerExample: (1000 * seconds) / evaluation.examples, bytes };
}

function costInWords(
  before: ComparedAnswers,
  after: ComparedAnswers,
  [first, second]: readonly [string, string],
): string {
  const cost = ({ evaluation, seconds, bytes }: ComparedAnswers) =>
    `${((1000 * seconds) / evaluation.examples).toFixed(2)} ms an example and ${(bytes / 1e6).toFixed(1)} MB`;
  return `${first} takes ${cost(before)}, ${second} ${cost(after)}`;
}

/** Every answer in words in which equal ones are equal, whatever the heads call their labels. */
function answersOf(
  predictions: DatasetPredictions,
  head: Answerer,
  task: TaskName,
  examples: readonly Example[],
): string[] {
  switch (predictions.kind) {
    case "classification":
      return predictions.rows.map(({ predicted }) =>
        typeof predicted === "number"
          ? String(Number(predicted.toPrecision(6)))
          : typeof predicted === "string"
            ? officialName(predicted, head, task)
            : [...predicted].sort().join(", ") || "(none)",
      );
    case "choices":
      return predictions.rows.map(({ predicted }, row) => {
        const example = examples[row];
        return example?.kind === "choice" ? named(example.choices, predicted) : String(predicted);
      });
    case "retrieval":
      return predictions.rows.map(({ rank, predicted, similarity }) =>
        rank === undefined ? String(Number(similarity.toPrecision(6))) : predicted,
      );
    case "questions":
      return predictions.rows.map((row) => predictedText(row, predictions.nullThreshold) || "(no answer)");
  }
}

/** What an official task calls a head's label; the label where the task has no names of its own. */
function officialName(label: string, head: Answerer, task: TaskName): string {
  if (head.kind !== "classification") return label;
  const id = head.labels.indexOf(label);
  return officialLabels(task)?.find((name) => labelIdOf(name, head, task) === id) ?? label;
}

function rightAnswer(example: Example, head: Answerer, task: TaskName): string {
  switch (example.kind) {
    case "classification":
      if (typeof example.label === "string") return officialName(labelName(example.label, head, task), head, task);
      return Array.isArray(example.label) ? [...example.label].sort().join(", ") || "(none)" : String(example.label);
    case "question":
      return example.answers[0]?.text ?? "(no answer)";
    case "choice":
      return named(example.choices, example.answer!);
    case "pair":
      return example.score === undefined ? example.positives.join(" | ") : String(example.score);
  }
}

function labelName(label: string, head: Answerer, task: TaskName): string {
  const labels = (head as ClassificationHead).labels; // of a classification, as the example is
  return labels[labelIdOf(label, head as ClassificationHead, task)] ?? label;
}

function named(choices: readonly string[], index: number): string {
  return `${String.fromCharCode(65 + index)}: ${choices[index] ?? ""}`;
}
