import { softmax } from "../probabilities.ts";
import type { ScoredSpan } from "./candidates.ts";

// The official ranking of candidate spans, for all windows at once or as they come. It reads no logits.

/** An answer among the best of its question. */
export interface RankedAnswer<Span extends ScoredSpan = ScoredSpan> {
  readonly text: string;
  readonly span: Span;
  /** Softmax of `startScore + endScore` over the answers of this list. */
  readonly probability: number;
}

/**
 * The official ranking of all candidates of a question, over all its windows: descending sum of scores (stable), one
 * entry for each distinct text, at most `nBestSize`.
 *
 * @param textOf  the answer's text; undefined leaves the span out
 */
export function rankAnswers<Span extends ScoredSpan>(
  candidates: readonly Span[],
  nBestSize: number,
  textOf: (span: Span) => string | undefined,
): RankedAnswer<Span>[] {
  return withProbabilities(bestAnswers(candidates, nBestSize, textOf));
}

/** One answer of a ranking, before it is compared with the others. */
export interface FoundAnswer<Span extends ScoredSpan = ScoredSpan> {
  readonly text: string;
  readonly span: Span;
}

/**
 * The entries of `rankAnswers`. The best of a question's first windows, followed by the candidates of its later ones, give
 * what all candidates together would: only as many need to be kept.
 */
export function bestAnswers<Span extends ScoredSpan>(
  candidates: readonly Span[],
  nBestSize: number,
  textOf: (span: Span) => string | undefined,
): FoundAnswer<Span>[] {
  const sorted = [...candidates].sort((a, b) => b.startScore + b.endScore - (a.startScore + a.endScore));
  const texts = new Map<string, Span>();
  for (const span of sorted) {
    if (texts.size >= nBestSize) break;
    const text = textOf(span);
    if (text !== undefined && !texts.has(text)) texts.set(text, span);
  }
  return Array.from(texts, ([text, span]) => ({ text, span }));
}

/** Softmax over the scores of a ranking. */
export function withProbabilities<Span extends ScoredSpan>(found: readonly FoundAnswer<Span>[]): RankedAnswer<Span>[] {
  const probabilities = softmax(found.map(({ span }) => span.startScore + span.endScore));
  return found.map(({ text, span }, i) => ({ text, span, probability: probabilities[i]! }));
}
