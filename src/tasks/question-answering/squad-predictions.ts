import { type FloatJson, pythonJson } from "../python-json.ts";
import { pythonStrip } from "../python-text.ts";
import type { ScoredSpan } from "./candidates.ts";
import { rankAnswers } from "./n-best.ts";

// The official predictions for SQuAD questions and their files, as text.

/** One entry of `nbest_predictions.json`, under its official names. */
export interface NBestEntry {
  readonly text: string;
  readonly probability: number;
  readonly start_log_prob: number;
  readonly end_log_prob: number;
}

/** What is predicted for one question. */
export interface SquadPrediction {
  readonly id: string;
  /** At least one entry: "empty" (v1) or "" (v2) where no span qualifies. */
  readonly nBest: readonly NBestEntry[];
  /** Version 2: the mean, over models, of the lowest answerability logit of the question's windows. */
  readonly nullScore?: number;
}

/** One window's text range for each of its document pieces, and what each model proposed for it. */
export interface WindowResult {
  /** [length] first and last (inclusive) code point of each document piece. */
  readonly startCharacters: ArrayLike<number>;
  readonly endCharacters: ArrayLike<number>;
  /** Candidates of each model. */
  readonly candidates: readonly (readonly ScoredSpan[])[];
  /** Version 2: the answerability logit of each model. */
  readonly nullLogits?: readonly number[];
}

/** Null score of a question that has no window, because the official alignment failed. */
const NO_WINDOW_SCORE = 1_000_000;
/** Scores of the empty answer where no span qualifies. */
export const NO_SPAN_SCORE = -1e6;

/**
 * The official prediction for one question, over its windows and (for an ensemble) over several models: a span that several
 * models propose counts with the mean of their scores.
 *
 * @param slice  the text between two code points of the context, the last one included
 */
export function predictSquad(
  id: string,
  windows: readonly WindowResult[],
  slice: (first: number, last: number) => string,
  options: { readonly nBestSize: number; readonly version: "v1.1" | "v2.0"; readonly models: number },
): SquadPrediction {
  const candidates = windows.flatMap((window) => averageSpans(window.candidates).map((span) => ({ ...span, window })));
  const ranked = rankAnswers(candidates, options.nBestSize, ({ start, end, window }) =>
    pythonStrip(slice(window.startCharacters[start]!, window.endCharacters[end]!)),
  );
  const v2 = options.version === "v2.0";
  const nBest = ranked.map(({ text, probability, span }) => ({
    text,
    probability,
    start_log_prob: span.startScore,
    end_log_prob: span.endScore,
  }));
  if (nBest.length === 0) {
    const score = v2 ? NO_SPAN_SCORE : 0;
    nBest.push({ text: v2 ? "" : "empty", probability: 1, start_log_prob: score, end_log_prob: score });
  }
  return { id, nBest, ...(v2 ? { nullScore: nullScore(windows, options.models) } : {}) };
}

/**
 * The answer by the official rule: the best text, or nothing where the null score is not below the threshold.
 *
 * @param threshold  null for "always answer"
 */
export function predictedText(prediction: SquadPrediction, threshold: number | null): string {
  const { nullScore: score } = prediction;
  return threshold === null || score === undefined || score < threshold ? prediction.nBest[0]!.text : "";
}

/** `predictions.json` */
export function predictionsJson(predictions: readonly SquadPrediction[], threshold: number | null): string {
  return pythonJson(new Map(predictions.map((prediction) => [prediction.id, predictedText(prediction, threshold)])));
}

/** `nbest_predictions.json` */
export function nBestJson(predictions: readonly SquadPrediction[]): string {
  return pythonJson(
    new Map(predictions.map(({ id, nBest }): [string, FloatJson] => [id, nBest.map((entry) => ({ ...entry }))])),
  );
}

/** `null_odds.json` */
export function nullOddsJson(predictions: readonly SquadPrediction[]): string {
  return pythonJson(new Map(predictions.map(({ id, nullScore: score }) => [id, score ?? 0])));
}

function averageSpans(models: readonly (readonly ScoredSpan[])[]): ScoredSpan[] {
  if (models.length === 1) return [...models[0]!];
  const sums = new Map<string, { start: number; end: number; startScore: number; endScore: number; count: number }>();
  for (const { start, end, startScore, endScore } of models.flat()) {
    const key = `${start}:${end}`;
    const sum = sums.get(key) ?? { start, end, startScore: 0, endScore: 0, count: 0 };
    sum.startScore += startScore;
    sum.endScore += endScore;
    sum.count += 1;
    sums.set(key, sum);
  }
  return Array.from(sums.values(), ({ start, end, startScore, endScore, count }) => ({
    start,
    end,
    startScore: startScore / count,
    endScore: endScore / count,
  }));
}

function nullScore(windows: readonly WindowResult[], models: number): number {
  let total = 0;
  for (let model = 0; model < models; model++) {
    let lowest = NO_WINDOW_SCORE;
    for (const { nullLogits } of windows) lowest = Math.min(lowest, nullLogits?.[model] ?? NO_WINDOW_SCORE);
    total += lowest;
  }
  return total / models;
}
