import { type AlignedText, isHighSurrogate, isLowSurrogate } from "../aligned-text.ts";
import { PieceTrie } from "./piece-trie.ts";
import type { SentencePiece } from "./sentencepiece-model.ts";

// Finds the best segmentation under a unigram language model.

/** Units `bounds[i]..bounds[i + 1]` of the segmented text are one piece with id `ids[i]`. */
export interface Segmentation {
  readonly ids: readonly number[];
  readonly bounds: readonly number[];
}

/** How much worse than the rarest piece an unknown character scores. */
const UNKNOWN_PENALTY = 10;

/**
 * The unigram language model of SentencePiece: finds the segmentation with the highest sum of log probabilities in one pass
 * from left to right, keeping for every position only the best way to reach it. Time and memory are linear in the text
 * (times the longest piece); a text of unknown characters costs no more than any other.
 *
 * Scores add up in float32 in the same order as in SentencePiece, so that near-ties fall to the same side.
 */
export class UnigramModel {
  readonly #trie: PieceTrie;
  /** float64, because a user-defined piece's bonus is a double in SentencePiece; other entries hold float32 values. */
  readonly #scores: Float64Array;
  readonly #unknownScore: number;
  readonly #unknownId: number;

  constructor(pieces: readonly SentencePiece[]) {
    const normal = pieces.filter((piece) => piece.type === "normal");
    const lowest = normal.reduce((least, piece) => Math.min(least, piece.score), FLT_MAX);
    const highest = normal.reduce((most, piece) => Math.max(most, piece.score), FLT_MIN);
    this.#unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
    this.#unknownId = pieces.findIndex((piece) => piece.type === "unknown");
    this.#scores = Float64Array.from(pieces, ({ text, score, type }) =>
      type === "user-defined" ? Math.fround(Buffer.byteLength(text) * highest) - 0.1 : score,
    );
    this.#trie = new PieceTrie(
      pieces.flatMap(({ text, type }, id) => (type === "normal" || type === "user-defined" ? [{ text, id }] : [])),
    );
  }

  /**
   * Segments units `from..to` of a normalised text. A character that no piece covers is unknown; neighbouring unknown
   * characters become one piece.
   */
  segment(text: AlignedText): Segmentation {
    const { units, length } = text;
    const trie = this.#trie;
    const bestScore = new Float32Array(length + 1); // best score of a path that ends here
    const startOfBest = new Int32Array(length + 1).fill(-1); // where its last piece starts
    const idOfBest = new Int32Array(length + 1);

    for (let start = 0; start < length; ) {
      const here = bestScore[start]!;
      const unit = units[start]!;
      const pair = isHighSurrogate(unit) && start + 1 < length && isLowSurrogate(units[start + 1]!);
      const next = start + (pair ? 2 : 1);
      let single = false; // some piece is exactly this character
      let node = 0;
      for (let end = start; end < length; ) {
        node = trie.advance(node, units[end++]!);
        if (node < 0) break;
        const id = trie.id;
        if (id < 0) continue;
        const score = this.#scores[id]! + here;
        if (startOfBest[end] === -1 || score > bestScore[end]!) {
          bestScore[end] = score;
          startOfBest[end] = start;
          idOfBest[end] = id;
        }
        if (end === next) single = true;
      }
      if (!single) {
        const score = Math.fround(this.#unknownScore + here);
        if (startOfBest[next] === -1 || score > bestScore[next]!) {
          bestScore[next] = score;
          startOfBest[next] = start;
          idOfBest[next] = this.#unknownId;
        }
      }
      start = next;
    }

    const ids: number[] = [];
    const bounds: number[] = [length];
    for (let end = length; end > 0; end = startOfBest[end]!) {
      const id = idOfBest[end]!;
      if (id === this.#unknownId && ids.at(-1) === this.#unknownId) {
        bounds[bounds.length - 1] = startOfBest[end]!;
      } else {
        ids.push(id);
        bounds.push(startOfBest[end]!);
      }
    }
    return { ids: ids.reverse(), bounds: bounds.reverse() };
  }
}

const FLT_MAX = 3.4028234663852886e38;
/** The smallest positive normal float32: SentencePiece's starting value for the highest score, which logs never exceed. */
const FLT_MIN = 1.1754943508222875e-38;
