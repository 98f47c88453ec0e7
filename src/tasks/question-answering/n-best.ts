import { softmax } from "../probabilities.ts";
import type { ScoredSpan } from "./candidates.ts";

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
  const sorted = [...candidates].sort((a, b) => b.startScore + b.endScore - (a.startScore + a.endScore));
  const texts = new Map<string, Span>();
  for (const span of sorted) {
    if (texts.size >= nBestSize) break;
    const text = textOf(span);
    if (text !== undefined && !texts.has(text)) texts.set(text, span);
  }
  const probabilities = softmax(Array.from(texts.values(), (span) => span.startScore + span.endScore));
  return Array.from(texts, ([text, span], i) => ({ text, span, probability: probabilities[i]! }));
}
