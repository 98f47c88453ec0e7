// Google's alignment of pieces with the original text, for official features. Serving uses the tokenizer's own offsets.

/**
 * Where the official SQuAD code thinks the pieces of a cleaned text lie in the original. It aligns the two character by
 * character with a banded longest common subsequence and fills the gaps from their neighbours. Offsets count code points.
 * Serving does not need this: the tokenizer itself knows exact offsets. Training and golden parity do.
 */
export interface PieceAlignment {
  /** First and last (inclusive) character of each piece. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** The piece that an answer starting (or ending) at a character starts (or ends) in. */
  pieceAt(character: number, edge: "start" | "end"): number;
}

/** Share of the characters that must align; below it the official code drops the question. */
const ACCEPTED_SHARE = 0.8;
/** Back-pointers beyond this are not worth their memory: no text of natural language is that far from its cleaned form. */
const MAX_CELLS = 2 ** 30;
const UNKNOWN = -1;
/** Back-pointers of the alignment; 0 where there is none. */
const UP = 1;
const LEFT = 2;
const DIAGONAL = 3;

/**
 * Aligns a text with its pieces.
 *
 * @param text    the original, as code points
 * @param pieces  pieces of the cleaned text, with U+2581 for the space before a word
 * @param cleaned the one code point that a character of the original becomes when it is cleaned on its own, or -1
 * @returns undefined where too little aligns: the official scripts drop such a question
 */
export function alignPieces(
  text: readonly string[],
  pieces: readonly string[],
  cleaned: (character: string) => number,
): PieceAlignment | undefined {
  const target: number[] = [];
  const pieceOfTarget: number[] = [];
  const firstTarget = new Int32Array(pieces.length);
  const lastTarget = new Int32Array(pieces.length);
  pieces.forEach((piece, i) => {
    firstTarget[i] = target.length;
    for (const character of piece) {
      target.push(character === "\u2581" ? 0x20 : character.codePointAt(0)!);
      pieceOfTarget.push(i);
    }
    lastTarget[i] = target.length - 1;
  });
  const n = text.length;
  const m = target.length;
  if (n === 0 || m === 0) return undefined;

  const source = Int32Array.from(text, cleaned);
  const goal = Int32Array.from(target);
  const firstBand = Math.abs(n - m) + 5;
  if (4 * firstBand * n > MAX_CELLS) return undefined;
  let band = longestCommonSubsequence(source, goal, firstBand);
  if (!(band.length > ACCEPTED_SHARE * n)) band = longestCommonSubsequence(source, goal, 2 * firstBand);
  const toTarget = new Int32Array(n).fill(UNKNOWN);
  const toSource = new Int32Array(m).fill(UNKNOWN);
  for (let i = n - 1, j = m - 1; i >= 0 && j >= 0; ) {
    const pointer = band.pointer(i, j);
    if (pointer === DIAGONAL) {
      toTarget[i] = j;
      toSource[j] = i;
      i--;
      j--;
    } else if (pointer === LEFT) j--;
    else if (pointer === UP) i--;
    else break;
  }
  if (band.length < ACCEPTED_SHARE * n || toTarget.every((position) => position === UNKNOWN)) return undefined;

  const sourceAt = neighbourFill(toSource, n);
  const targetAt = neighbourFill(toTarget, undefined);
  return {
    starts: firstTarget.map((position) => sourceAt(position, "start")),
    ends: lastTarget.map((position) => sourceAt(position, "end")),
    pieceAt: (character, edge) => pieceOfTarget[targetAt(character, edge)]!,
  };
}

/** The band of a dynamic program: column j of row i lies in it when i - reach <= j < i + reach. */
interface Band {
  /** Length of the longest common subsequence that stays inside the band. */
  readonly length: number;
  pointer(i: number, j: number): number;
}

/** Ties keep the step up, then left; what lies outside of the band counts as 0. Only the band's back-pointers are stored. */
function longestCommonSubsequence(source: Int32Array, target: Int32Array, reach: number): Band {
  const n = source.length;
  const m = target.length;
  const width = 2 * reach;
  const pointers = new Uint8Array(n * width);
  let above = new Int32Array(m);
  let row = new Int32Array(m);
  for (let i = 0; i < n; i++) {
    const first = Math.max(0, i - reach);
    const last = Math.min(m, i + reach);
    const symbol = source[i]!;
    for (let j = first; j < last; j++) {
      const fromAbove = i > 0 && j < i - 1 + reach ? above[j]! : 0;
      let best = fromAbove;
      let pointer = i > 0 ? UP : 0;
      const fromLeft = j > first ? row[j - 1]! : 0;
      if (fromLeft > best) {
        best = fromLeft;
        pointer = LEFT;
      }
      if (symbol === target[j]!) {
        const diagonal = i > 0 && j > 0 ? above[j - 1]! : 0;
        if (diagonal + 1 > best) {
          best = diagonal + 1;
          pointer = DIAGONAL;
        }
      }
      row[j] = best;
      pointers[i * width + j - (i - reach)] = pointer;
    }
    [above, row] = [row, above];
  }
  return {
    length: above[m - 1]!,
    pointer: (i, j) => (j < i - reach || j >= i + reach ? 0 : pointers[i * width + j - (i - reach)]!),
  };
}

/**
 * Completes a partial map: an unknown position takes the place next to its nearest known neighbours, on the side that a
 * start (or an end) leans to.
 *
 * @param size  number of places mapped to, where positions behind the last known one may move on to later places
 */
function neighbourFill(
  known: Int32Array,
  size: number | undefined,
): (position: number, edge: "start" | "end") => number {
  const count = known.length;
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  for (let i = 0; i < count; i++) previous[i] = known[i] !== UNKNOWN ? known[i]! : i > 0 ? previous[i - 1]! : UNKNOWN;
  for (let i = count - 1; i >= 0; i--)
    next[i] = known[i] !== UNKNOWN ? known[i]! : i < count - 1 ? next[i + 1]! : UNKNOWN;
  return (position, edge) => {
    const front = previous[position]!;
    const rear = next[position]!;
    if (known[position] !== UNKNOWN) return known[position]!;
    if (front === UNKNOWN) {
      if (rear < 1) return rear;
      return edge === "start" ? 0 : rear - 1;
    }
    if (rear === UNKNOWN) {
      if (size === undefined || front >= size - 1) return front;
      return edge === "start" ? front + 1 : size - 1;
    }
    if (rear > front + 1) return edge === "start" ? front + 1 : rear - 1;
    return edge === "start" ? rear : front;
  };
}
