// Cuts a long document into overlapping windows. It sees lengths only.

/** A run of a document's pieces that goes into one sequence. */
export interface DocumentWindow {
  /** Index of its first piece in the document. */
  readonly start: number;
  readonly length: number;
  /**
   * [length]; 1 where this window, of all that hold the piece, shows the most context around it: the official
   * `token_is_max_context`. An answer may only start at such a piece, so that no span is counted twice.
   */
  readonly maxContext: Uint8Array;
}

/**
 * Cuts a document into overlapping windows of at most `room` pieces, each starting `stride` after the one before. A
 * stride longer than a window leaves no gap: the next window then starts where the last one ended.
 *
 * @returns no window for a document without pieces
 */
export function documentWindows(pieces: number, room: number, stride: number): DocumentWindow[] {
  const windows: DocumentWindow[] = [];
  for (let start = 0; start < pieces; ) {
    const length = Math.min(pieces - start, room);
    windows.push({ start, length, maxContext: new Uint8Array(length) });
    if (start + length === pieces) break;
    start += Math.min(length, stride);
  }
  markMaxContext(windows, pieces);
  return windows;
}

/** Number of windows that `documentWindows` would make, without making them. */
export function countWindows(pieces: number, room: number, stride: number): number {
  if (pieces === 0) return 0;
  return pieces <= room ? 1 : 1 + Math.ceil((pieces - room) / Math.min(room, stride));
}

/** Each piece goes to the window with the best score, `min(left, right) + 0.01 * length`; ties to the earlier window. */
function markMaxContext(windows: readonly DocumentWindow[], pieces: number): void {
  let first = 0;
  for (let piece = 0; piece < pieces; piece++) {
    while (windows[first]!.start + windows[first]!.length <= piece) first++;
    let best = first;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let i = first; i < windows.length && windows[i]!.start <= piece; i++) {
      const { start, length } = windows[i]!;
      const score = Math.min(piece - start, start + length - 1 - piece) + 0.01 * length;
      if (score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    windows[best]!.maxContext[piece - windows[best]!.start] = 1;
  }
}
