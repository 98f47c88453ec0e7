import { AlbertError } from "../../errors.ts";
import { isHighSurrogate, isLowSurrogate, textOf } from "../aligned-text.ts";
import type { SpecialIds, TokenizedText, Tokenizer } from "../tokenizer.ts";
import { basicTokenize } from "./basic-tokenizer.ts";

/** A longer word is unknown without being looked at. Counted in code points. */
const MAX_WORD_LENGTH = 200;

/**
 * The tokenizer of the Chinese ALBERT models: BERT's basic tokenizer, then the longest known piece from the left, again and
 * again; pieces inside a word begin with "##". A word with any unmatched rest is one [UNK].
 */
export class WordPieceTokenizer implements Tokenizer {
  readonly kind = "wordpiece";
  readonly pieceStyle = "wordpiece";
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly lowerCase: boolean;
  readonly digest: string;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #pieces: readonly string[];
  /** Length in UTF-16 units of the longest piece: no longer candidate needs a look-up. */
  readonly #longest: number;

  /**
   * @param ids the vocabulary, see {@link readWordPieceVocabulary}
   * @throws AlbertError precondition when it lacks [PAD], [UNK], [CLS], [SEP] or [MASK]
   */
  constructor(ids: ReadonlyMap<string, number>, options: { readonly lowerCase: boolean; readonly digest: string }) {
    this.#ids = ids;
    this.#pieces = [...ids.keys()];
    this.#longest = this.#pieces.reduce((longest, piece) => Math.max(longest, piece.length), 0);
    this.vocabSize = ids.size;
    this.lowerCase = options.lowerCase;
    this.digest = options.digest;
    this.special = {
      pad: this.#required("[PAD]"),
      unk: this.#required("[UNK]"),
      cls: this.#required("[CLS]"),
      sep: this.#required("[SEP]"),
      mask: this.#required("[MASK]"),
    };
  }

  tokenize(text: string): TokenizedText {
    const { text: basic, bounds } = basicTokenize(text, this.lowerCase);
    const pieces: string[] = [];
    const ids: number[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    for (let i = 0; i < bounds.length; i += 2) {
      const from = bounds[i]!;
      const to = bounds[i + 1]!;
      const cuts = to - from > 2 * MAX_WORD_LENGTH ? undefined : this.#cutWord(textOf(basic, from, to));
      if (cuts === undefined) {
        pieces.push("[UNK]");
        ids.push(this.special.unk);
        starts.push(basic.starts[from]!);
        ends.push(basic.ends[to - 1]!);
        continue;
      }
      for (const cut of cuts) {
        pieces.push(cut.piece);
        ids.push(this.idOf(cut.piece));
        starts.push(basic.starts[from + cut.start]!);
        ends.push(basic.ends[from + cut.end - 1]!);
      }
    }
    return { pieces, ids: new Int32Array(ids), starts: new Int32Array(starts), ends: new Int32Array(ends) };
  }

  idOf(piece: string): number {
    return this.#ids.get(piece) ?? this.special.unk;
  }

  pieceOf(id: number): string {
    const piece = this.#pieces[id];
    if (piece === undefined) throw new RangeError(`id must be 0-${this.vocabSize - 1}, got ${id}`);
    return piece;
  }

  /** @returns the pieces of one word with their ranges in it, or undefined when it is unknown */
  #cutWord(word: string): { piece: string; start: number; end: number }[] | undefined {
    if (codePointCount(word) > MAX_WORD_LENGTH) return undefined;
    const cuts: { piece: string; start: number; end: number }[] = [];
    for (let start = 0; start < word.length; ) {
      const prefix = start > 0 ? "##" : "";
      let end = Math.min(word.length, start + this.#longest - prefix.length);
      while (end > start && !this.#ids.has(prefix + word.slice(start, end))) end--;
      if (end <= start) return undefined;
      cuts.push({ piece: prefix + word.slice(start, end), start, end });
      start = end;
    }
    return cuts;
  }

  #required(piece: string): number {
    const id = this.#ids.get(piece);
    if (id !== undefined) return id;
    throw new AlbertError(
      "precondition",
      `the WordPiece vocabulary lacks ${piece}; is this a vocab.txt with one piece per line (not a SentencePiece .vocab file)?`,
      { reason: "VOCABULARY_LACKS_SPECIAL_PIECE", metadata: { piece } },
    );
  }
}

function codePointCount(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    if (isHighSurrogate(text.charCodeAt(i)) && isLowSurrogate(text.charCodeAt(i + 1))) i++;
    count++;
  }
  return count;
}
