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
  return windowsBetween({ pieces, room, stride }, 0, countWindows(pieces, room, stride));
}

/** How a document is cut. */
export interface WindowLayout {
  readonly pieces: number;
  readonly room: number;
  readonly stride: number;
}

/** Windows `from..to` (half-open) of those that `documentWindows` gives, at a cost that their number alone decides. */
export function windowsBetween(layout: WindowLayout, from: number, to: number): DocumentWindow[] {
  return Array.from({ length: to - from }, (_, i): DocumentWindow => {
    const { start, length } = rangeOf(layout, from + i);
    return { start, length, maxContext: maxContextOf(layout, from + i) };
  });
}

/** Number of windows that `documentWindows` would make, without making them. */
export function countWindows(pieces: number, room: number, stride: number): number {
  if (pieces === 0) return 0;
  return pieces <= room ? 1 : 1 + Math.ceil((pieces - room) / Math.min(room, stride));
}

function rangeOf({ pieces, room, stride }: WindowLayout, window: number): { start: number; length: number } {
  const start = window * Math.min(room, stride);
  return { start, length: Math.min(room, pieces - start) };
}

/** Each piece goes to the window with the best score, `min(left, right) + 0.01 * length`; ties to the earlier window. */
function maxContextOf(layout: WindowLayout, window: number): Uint8Array {
  const { pieces, room, stride } = layout;
  const step = Math.min(room, stride);
  const last = countWindows(pieces, room, stride) - 1;
  const { start, length } = rangeOf(layout, window);
  const maxContext = new Uint8Array(length);
  for (let piece = start; piece < start + length; piece++) {
    const own = contextScore(layout, window, piece);
    // Windows that hold the piece too; only the last one can be shorter than `room`, and it ends the document.
    const first = Math.max(0, Math.ceil((piece - room + 1) / step));
    const end = Math.min(last, Math.floor(piece / step));
    let best = true;
    for (let other = first; best && other <= end; other++) {
      const score = contextScore(layout, other, piece);
      if (other < window ? score >= own : score > own) best = false;
    }
    if (best) maxContext[piece - start] = 1;
  }
  return maxContext;
}

function contextScore(layout: WindowLayout, window: number, piece: number): number {
  const { start, length } = rangeOf(layout, window);
  return Math.min(piece - start, start + length - 1 - piece) + 0.01 * length;
}
