import type { TokenizedText, Tokenizer } from "./tokenizer.ts";

// A tokenized text in a form that crosses threads at once: a few arrays that are handed over instead of copied.

/** A tokenized text without the pieces that its ids name. */
export interface PackedText {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly starts: Int32Array<ArrayBuffer>;
  readonly ends: Int32Array<ArrayBuffer>;
  /** Places of the pieces that are not the ones of their ids, such as unknown words. */
  readonly otherPlaces: Int32Array<ArrayBuffer>;
  /** Lengths of those pieces, in UTF-16 units, and the pieces one after the other. */
  readonly otherLengths: Int32Array<ArrayBuffer>;
  readonly others: string;
}

/** Packs what this tokenizer made of a text. */
export function packText({ pieces, ids, starts, ends }: TokenizedText, tokenizer: Tokenizer): PackedText {
  const places: number[] = [];
  for (let i = 0; i < ids.length; i++) if (tokenizer.pieceOf(ids[i]!) !== pieces[i]) places.push(i);
  const others = places.map((place) => pieces[place]!);
  return {
    ids: Int32Array.from(ids),
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    otherPlaces: Int32Array.from(places),
    otherLengths: Int32Array.from(others, (piece) => piece.length),
    others: others.join(""),
  };
}

/** The memory of a packed text that can be handed over to another thread. */
export function buffersOfText(text: PackedText): ArrayBuffer[] {
  return [text.ids, text.starts, text.ends, text.otherPlaces, text.otherLengths].map(({ buffer }) => buffer);
}

/** A tokenized text whose pieces are only made where they are asked for. */
export interface UnpackedText extends TokenizedText {
  /** Pieces `from..to` (half-open), at a cost that their number alone decides. */
  piecesBetween(from: number, to: number): string[];
}

/** The tokenized text again. @param tokenizer  the one that made it */
export function unpackText(packed: PackedText, tokenizer: Tokenizer): UnpackedText {
  const { ids, starts, ends, otherPlaces, otherLengths, others } = packed;
  let bounds: Int32Array | undefined;
  let pieces: readonly string[] | undefined;
  const piecesBetween = (from: number, to: number) => {
    bounds ??= boundsOf(otherLengths);
    const found = Array.from(ids.subarray(from, to), (id) => tokenizer.pieceOf(id));
    for (let i = firstAtLeast(otherPlaces, from); i < otherPlaces.length && otherPlaces[i]! < to; i++) {
      found[otherPlaces[i]! - from] = others.slice(bounds[i]!, bounds[i + 1]!);
    }
    return found;
  };
  return {
    ...{ ids, starts, ends, piecesBetween },
    get pieces() {
      pieces ??= piecesBetween(0, ids.length);
      return pieces;
    },
  };
}

/** Pieces `from..to` (half-open) of any tokenized text. */
export function piecesBetween(text: TokenizedText | UnpackedText, from: number, to: number): readonly string[] {
  return "piecesBetween" in text ? text.piecesBetween(from, to) : text.pieces.slice(from, to);
}

/** Where each of several texts of these lengths begins when they stand one after the other, and where the last one ends. */
function boundsOf(lengths: Int32Array): Int32Array {
  const bounds = new Int32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) bounds[i + 1] = bounds[i]! + lengths[i]!;
  return bounds;
}

/** Index of the first of these ascending numbers that is not below `least`. */
function firstAtLeast(ascending: Int32Array, least: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
