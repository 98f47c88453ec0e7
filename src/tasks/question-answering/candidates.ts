import { topIndexes } from "../probabilities.ts";

// Finds the spans of one window that may be answers, with their scores.

/** A possible answer inside one window: first and last piece, counted from the window's first document piece. */
export interface ScoredSpan {
  readonly start: number;
  readonly end: number;
  /** Logit (v1) or log-probability (v2) of each end. */
  readonly startScore: number;
  readonly endScore: number;
}

/** The window a span is searched in. */
export interface SearchWindow {
  /** Position in the sequence of the window's first document piece: query length + 2. */
  readonly documentOffset: number;
  /** Document pieces in the window. */
  readonly length: number;
  /** [length]; answers start only where it is 1. */
  readonly maxContext: Uint8Array;
}

export interface SearchOptions {
  /** How many of the best starts and ends are combined (v1), and how many answers remain: `n_best_size`. */
  readonly nBestSize: number;
  /** Longest answer in pieces. */
  readonly maxAnswerLength: number;
}

/** Outputs of the v2 head for one sequence; indexes count sequence positions. */
export interface BeamOutput {
  /** [K1], descending */
  readonly startLogProbs: ArrayLike<number>;
  readonly startIndexes: ArrayLike<number>;
  /** [K1 * K2], row k belonging to start k */
  readonly endLogProbs: ArrayLike<number>;
  readonly endIndexes: ArrayLike<number>;
}

/**
 * The official v1 candidates: every valid pair of the `nBestSize` best starts and ends. The best positions are chosen
 * before validity is looked at, so a window whose best positions lie in the question may have none.
 *
 * @param startLogits  one logit for each sequence position
 */
export function pairCandidates(
  startLogits: ArrayLike<number>,
  endLogits: ArrayLike<number>,
  window: SearchWindow,
  options: SearchOptions,
): ScoredSpan[] {
  const starts = topIndexes(startLogits, options.nBestSize).filter((position) =>
    isValidStart(position - window.documentOffset, window),
  );
  if (starts.length === 0) return [];
  const ends = topIndexes(endLogits, options.nBestSize);
  const found: ScoredSpan[] = [];
  for (const startPosition of starts) {
    for (const endPosition of ends) {
      const start = startPosition - window.documentOffset;
      const end = endPosition - window.documentOffset;
      if (isValidEnd(start, end, window, options)) {
        found.push({ start, end, startScore: startLogits[startPosition]!, endScore: endLogits[endPosition]! });
      }
    }
  }
  return found;
}

/** The official v2 candidates: every valid (start, end) of the head's own beam. */
export function beamCandidates(output: BeamOutput, window: SearchWindow, options: SearchOptions): ScoredSpan[] {
  const found: ScoredSpan[] = [];
  const width = output.startIndexes.length === 0 ? 0 : output.endIndexes.length / output.startIndexes.length;
  for (let k = 0; k < output.startIndexes.length; k++) {
    const start = output.startIndexes[k]! - window.documentOffset;
    if (!isValidStart(start, window)) continue;
    for (let j = k * width; j < (k + 1) * width; j++) {
      const end = output.endIndexes[j]! - window.documentOffset;
      if (isValidEnd(start, end, window, options)) {
        found.push({ start, end, startScore: output.startLogProbs[k]!, endScore: output.endLogProbs[j]! });
      }
    }
  }
  return found;
}

/**
 * The `nBestSize` best valid spans of all there are, best first: the corrected v1 search, which finds an answer wherever
 * one is possible. Linear in the window's length: each start looks at `maxAnswerLength` ends at most, and only while its
 * best possible sum can still enter the list.
 */
export function exhaustiveCandidates(
  startLogits: ArrayLike<number>,
  endLogits: ArrayLike<number>,
  window: SearchWindow,
  options: SearchOptions,
): ScoredSpan[] {
  const { documentOffset, length } = window;
  let bestEnd = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < length; i++) bestEnd = Math.max(bestEnd, endLogits[documentOffset + i]!);
  const best: ScoredSpan[] = [];
  for (let start = 0; start < length; start++) {
    if (window.maxContext[start] !== 1) continue;
    const startScore = startLogits[documentOffset + start]!;
    if (best.length === options.nBestSize && startScore + bestEnd <= sum(best.at(-1)!)) continue;
    const last = Math.min(length, start + options.maxAnswerLength);
    for (let end = start; end < last; end++) {
      insert(best, { start, end, startScore, endScore: endLogits[documentOffset + end]! }, options.nBestSize);
    }
  }
  return best;
}

function isValidStart(start: number, window: SearchWindow): boolean {
  return start >= 0 && start < window.length && window.maxContext[start] === 1;
}

function isValidEnd(start: number, end: number, window: SearchWindow, options: SearchOptions): boolean {
  return end >= start && end < window.length && end - start + 1 <= options.maxAnswerLength;
}

function sum(span: ScoredSpan): number {
  return span.startScore + span.endScore;
}

function insert(best: ScoredSpan[], span: ScoredSpan, size: number): void {
  if (best.length === size && sum(span) <= sum(best.at(-1)!)) return;
  let at = best.length;
  while (at > 0 && sum(best[at - 1]!) < sum(span)) at--;
  best.splice(at, 0, span);
  if (best.length > size) best.pop();
}
