import { type AlignedText, isHighSurrogate, isLowSurrogate, textOf } from "../aligned-text.ts";
import { PieceTrie } from "../sentencepiece/piece-trie.ts";
import type { PieceModel } from "./definition.ts";

// The models of a `tokenizer.json`, which cut a word into pieces.

/** One piece of a word: its id, its text, and the units of the word that it covers. */
export interface Cut {
  readonly id: number;
  readonly piece: string;
  readonly start: number;
  readonly end: number;
}

/** Cuts one word into pieces, which cover it without gap. */
export type CutWord = (word: AlignedText) => readonly Cut[];

/** How much worse than the rarest piece an unknown character scores. */
const UNKNOWN_PENALTY = 10;

/** Units of a word for which memory is kept from one word to the next. */
const KEPT_UNITS = 65_536;

export function buildModel(model: PieceModel): CutWord {
  return model.type === "unigram" ? buildUnigram(model) : buildWordPiece(model);
}

/**
 * The segmentation of the highest sum of scores, added up in float64 from the left. Every piece can be matched, the special
 * ones too, which is not so in SentencePiece. Neighbouring unknown characters are one piece.
 */
function buildUnigram({ pieces, unknownId }: Extract<PieceModel, { type: "unigram" }>): CutWord {
  const trie = new PieceTrie(pieces.flatMap(([text], id) => (text === "" ? [] : [{ text, id }])));
  const ids = new Map(pieces.map(([text], id) => [text, id]));
  const scores = Float64Array.from(pieces, ([, score]) => score);
  const unknownScore =
    scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY;
  // A text has many short words: what finds the best way through one is kept for the next, unless it was very long.
  let best = new Float64Array(0);
  let from = new Int32Array(0);
  let idAt = new Int32Array(0);
  return (word) => {
    const { units, length } = word;
    if (best.length <= length || best.length > KEPT_UNITS) {
      const size = Math.max(64, length + 1);
      best = new Float64Array(size);
      from = new Int32Array(size);
      idAt = new Int32Array(size);
    }
    best[0] = 0;
    from.fill(-1, 0, length + 1);
    idAt.fill(0, 0, length + 1);
    for (let start = 0; start < length; ) {
      const next = start + characterSize(word, start);
      let single = false;
      for (let end = start, node = 0; end < length; ) {
        node = trie.advance(node, units[end++]!);
        if (node < 0) break;
        const { id } = trie;
        if (id < 0) continue;
        const score = scores[id]! + best[start]!;
        if (from[end] === -1 || score > best[end]!) {
          best[end] = score;
          from[end] = start;
          idAt[end] = id;
        }
        if (end === next) single = true;
      }
      const score = unknownScore + best[start]!;
      if (!single && (from[next] === -1 || score > best[next]!)) {
        best[next] = score;
        from[next] = start;
        idAt[next] = unknownId;
      }
      start = next;
    }
    const cuts: Cut[] = [];
    for (let end = length; end > 0; ) {
      let start = from[end]!;
      if (idAt[end] === unknownId) while (start > 0 && idAt[start] === unknownId) start = from[start]!;
      const piece = textOf(word, start, end);
      cuts.push({ id: ids.get(piece) ?? unknownId, piece, start, end });
      end = start;
    }
    return cuts.reverse();
  };
}

/** The longest known piece from the left, again and again; a word with any rest is one unknown piece. */
function buildWordPiece(model: Extract<PieceModel, { type: "wordpiece" }>): CutWord {
  const { ids, unknownPiece, continuingPrefix, longestWord } = model;
  const longest = [...ids.keys()].reduce((most, piece) => Math.max(most, piece.length), 0);
  const unknownId = ids.get(unknownPiece) ?? 0; // the reader has made sure that it is there
  return (word) => {
    const unknown = [{ id: unknownId, piece: unknownPiece, start: 0, end: word.length }];
    if (word.length > 2 * longestWord) return unknown;
    const text = textOf(word);
    let characters = 0;
    for (let i = 0; i < word.length; i += characterSize(word, i)) characters++;
    if (characters > longestWord) return unknown;
    const cuts: Cut[] = [];
    for (let start = 0; start < text.length; ) {
      const prefix = start > 0 ? continuingPrefix : "";
      let end = Math.min(text.length, start + longest);
      while (end > start && !ids.has(prefix + text.slice(start, end))) end--;
      if (end <= start) return unknown;
      const piece = prefix + text.slice(start, end);
      cuts.push({ id: ids.get(piece) ?? unknownId, piece, start, end });
      start = end;
    }
    return cuts;
  };
}

function characterSize({ units, length }: AlignedText, at: number): number {
  return isHighSurrogate(units[at]!) && at + 1 < length && isLowSurrogate(units[at + 1]!) ? 2 : 1;
}
