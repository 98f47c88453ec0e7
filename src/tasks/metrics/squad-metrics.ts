import { pythonSplit } from "../python-text.ts";

// Exact match and F1 of answers, and the official SQuAD v1.1 report.

/** Which official evaluation: they differ in what two empty answers are worth, and in what counts as a gold answer. */
export type SquadVersion = "v1.1" | "v2.0";

/** What evaluation must know of a question. */
export interface GoldAnswers {
  readonly id: string;
  /** Texts of all right answers; none for an unanswerable question. */
  readonly answers: readonly string[];
}

/** Exact match and F1 of one question, 0 to 1. */
export interface AnswerScores {
  readonly exact: number;
  readonly f1: number;
}

/**
 * The official normalisation: lower case, no ASCII punctuation, no articles as words of their own, single spaces. Words end
 * where Python's `\b` says so, which knows all letters and digits of Unicode.
 */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, "");
  return pythonSplit(bare.replace(/(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu, " ")).join(" ");
}

/** Scores of a prediction against the best of the right answers. */
export function answerScores(prediction: string, answers: readonly string[], version: SquadVersion): AnswerScores {
  const golds = version === "v2.0" ? answers.filter((answer) => normalizeAnswer(answer) !== "") : answers;
  const candidates = version === "v2.0" && golds.length === 0 ? [""] : golds;
  let exact = 0;
  let f1 = 0;
  const predicted = normalizeAnswer(prediction);
  for (const candidate of candidates) {
    const gold = normalizeAnswer(candidate);
    if (predicted === gold) exact = 1;
    f1 = Math.max(f1, tokenF1(predicted, gold, version));
  }
  return { exact, f1 };
}

/** The official v1.1 report, in percent. Questions without a prediction score 0. */
export function evaluateSquadV1(
  questions: readonly GoldAnswers[],
  predictions: ReadonlyMap<string, string>,
): { readonly exact_match: number; readonly f1: number } {
  let exact = 0;
  let f1 = 0;
  for (const { id, answers } of questions) {
    const prediction = predictions.get(id);
    if (prediction === undefined) continue;
    const scores = answerScores(prediction, answers, "v1.1");
    exact += scores.exact;
    f1 += scores.f1;
  }
  return { exact_match: (100 * exact) / questions.length, f1: (100 * f1) / questions.length };
}

/** Scores by question, for those that have a prediction, in the order of the questions. */
export function rawScores(
  questions: readonly GoldAnswers[],
  predictions: ReadonlyMap<string, string>,
): Map<string, AnswerScores> {
  const scores = new Map<string, AnswerScores>();
  for (const { id, answers } of questions) {
    const prediction = predictions.get(id);
    if (prediction !== undefined) scores.set(id, answerScores(prediction, answers, "v2.0"));
  }
  return scores;
}

/** F1 of two normalised answers over their bags of words. */
function tokenF1(prediction: string, gold: string, version: SquadVersion): number {
  const predicted = pythonSplit(prediction);
  const wanted = pythonSplit(gold);
  if (version === "v2.0" && (predicted.length === 0 || wanted.length === 0)) return prediction === gold ? 1 : 0;
  const counts = new Map<string, number>();
  for (const word of wanted) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of predicted) {
    const left = counts.get(word) ?? 0;
    if (left > 0) {
      common++;
      counts.set(word, left - 1);
    }
  }
  if (common === 0) return 0;
  const precision = common / predicted.length;
  const recall = common / wanted.length;
  return (2 * precision * recall) / (precision + recall);
}
