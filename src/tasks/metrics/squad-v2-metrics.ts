import { type AnswerScores, type GoldAnswers, rawScores } from "./squad-metrics.ts";

// The official SQuAD v2.0 report, and the search for null-score thresholds.

/** Percentages under the official names; every value but `total` is 0 to 100 or a threshold. */
export type SquadV2Report = Readonly<Record<string, number>>;

/** What the official v2.0 script is given. */
export interface SquadV2Input {
  readonly questions: readonly GoldAnswers[];
  readonly predictions: ReadonlyMap<string, string>;
  /** How strongly each question is held unanswerable. Without them nothing is thresholded and no threshold searched. */
  readonly nullScores?: ReadonlyMap<string, number>;
}

/**
 * The report of the official `evaluate-v2.0.py`: totals, HasAns_ and NoAns_ parts, and, where there are null scores, the best
 * thresholds.
 *
 * @param threshold  a question whose null score exceeds this counts as answered with nothing: `--na-prob-thresh`
 */
export function evaluateSquadV2(input: SquadV2Input, threshold = 1): SquadV2Report {
  const { questions, nullScores } = input;
  const raw = rawScores(questions, input.predictions);
  const answerable = new Map(questions.map(({ id, answers }) => [id, answers.length > 0]));
  const scores = nullScores === undefined ? raw : applyNoAnswerThreshold(raw, nullScores, answerable, threshold);
  const report = summary(scores, "");
  const part = (hasAnswer: boolean, prefix: string) => {
    const ids = questions.filter(({ id }) => answerable.get(id) === hasAnswer && scores.has(id)).map(({ id }) => id);
    if (ids.length > 0) Object.assign(report, summary(new Map(ids.map((id) => [id, scores.get(id)!])), prefix));
  };
  part(true, "HasAns_");
  part(false, "NoAns_");
  if (nullScores !== undefined) Object.assign(report, officialBestThresholds(input, nullScores));
  return report;
}

/**
 * The official search for the best thresholds. It starts from "everything unanswerable" at threshold 0.0 and counts a
 * question as answered from its own score on, although predictions are answered only *below* the threshold.
 */
export function officialBestThresholds(
  input: SquadV2Input,
  nullScores: ReadonlyMap<string, number>,
): {
  readonly best_exact: number;
  readonly best_exact_thresh: number;
  readonly best_f1: number;
  readonly best_f1_thresh: number;
} {
  const raw = rawScores(input.questions, input.predictions);
  const answerable = new Map(input.questions.map(({ id, answers }) => [id, answers.length > 0]));
  const order = [...nullScores].sort(([, a], [, b]) => a - b);
  const search = (metric: keyof AnswerScores): [number, number] => {
    let score = input.questions.filter(({ id }) => !answerable.get(id)).length;
    let best = score;
    let threshold = 0;
    for (const [id, nullScore] of order) {
      const scores = raw.get(id);
      if (scores === undefined) continue;
      score += answerable.get(id) ? scores[metric] : input.predictions.get(id) ? -1 : 0;
      if (score > best) {
        best = score;
        threshold = nullScore;
      }
    }
    return [(100 * best) / raw.size, threshold];
  };
  const [best_exact, best_exact_thresh] = search("exact");
  const [best_f1, best_f1_thresh] = search("f1");
  return { best_exact, best_exact_thresh, best_f1, best_f1_thresh };
}

/**
 * The corrected search: the threshold under which "answer if the null score is below it" gives the best F1. It lies halfway
 * between two scores, so that no question sits on it, and may lie below or above all of them.
 */
export function bestNullThreshold(
  input: SquadV2Input,
  nullScores: ReadonlyMap<string, number>,
): { readonly threshold: number; readonly f1: number } {
  const raw = rawScores(input.questions, input.predictions);
  const ordered = input.questions
    .filter(({ id }) => raw.has(id) && nullScores.has(id))
    .map(({ id, answers }) => ({ nullScore: nullScores.get(id)!, answerable: answers.length > 0, f1: raw.get(id)!.f1 }))
    .sort((a, b) => a.nullScore - b.nullScore);
  const [first] = ordered;
  if (first === undefined) return { threshold: 0, f1: Number.NaN };
  let score = ordered.filter(({ answerable }) => !answerable).length;
  let best = score;
  let threshold = first.nullScore - 1;
  for (const [i, { nullScore, answerable, f1 }] of ordered.entries()) {
    score += answerable ? f1 : f1 - 1;
    const next = ordered[i + 1]?.nullScore;
    if (next === nullScore) continue;
    if (score > best) {
      best = score;
      threshold = next === undefined ? nullScore + 1 : nullScore + (next - nullScore) / 2;
    }
  }
  return { threshold, f1: (100 * best) / ordered.length };
}

function applyNoAnswerThreshold(
  raw: ReadonlyMap<string, AnswerScores>,
  nullScores: ReadonlyMap<string, number>,
  answerable: ReadonlyMap<string, boolean>,
  threshold: number,
): Map<string, AnswerScores> {
  return new Map(
    Array.from(raw, ([id, scores]) => {
      const nothing = answerable.get(id) ? 0 : 1;
      return [id, (nullScores.get(id) ?? 0) > threshold ? { exact: nothing, f1: nothing } : scores];
    }),
  );
}

function summary(scores: ReadonlyMap<string, AnswerScores>, prefix: string): Record<string, number> {
  let exact = 0;
  let f1 = 0;
  for (const score of scores.values()) {
    exact += score.exact;
    f1 += score.f1;
  }
  const total = scores.size;
  return {
    [`${prefix}exact`]: (100 * exact) / total,
    [`${prefix}f1`]: (100 * f1) / total,
    [`${prefix}total`]: total,
  };
}
