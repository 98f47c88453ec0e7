// What a tokenizer is and what it returns. Types only.

/** Ids of the special pieces every ALBERT vocabulary has. */
export interface SpecialIds {
  readonly pad: number;
  readonly unk: number;
  readonly cls: number;
  readonly sep: number;
  readonly mask: number;
}

/** The file that a tokenizer is made from: a SentencePiece `.model`, a WordPiece `vocab.txt`, or a `tokenizer.json`. */
export type VocabularyKind = "sentencepiece" | "wordpiece" | "tokenizer-json";

/**
 * One text as pieces. The four arrays run in parallel. `starts[i]..ends[i]` is the half-open range of UTF-16 units of the
 * caller's *original* text that piece i came from; it is empty (start == end) for a piece that no character produced.
 */
export interface TokenizedText {
  readonly pieces: readonly string[];
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/**
 * Text -> pieces, exactly as the official ALBERT code does it; of a `tokenizer.json`, as the library that wrote it. Pure and synchronous: the same text gives the same pieces
 * forever, and nothing is kept between calls.
 */
export interface Tokenizer {
  readonly kind: VocabularyKind;
  /** How pieces show where a word begins: by U+2581 in front of it, or by "##" in front of what continues one. */
  readonly pieceStyle: "sentencepiece" | "wordpiece";
  readonly vocabSize: number;
  readonly special: SpecialIds;
  /** Whether text is lower-cased before segmentation. */
  readonly lowerCase: boolean;
  /** sha256 (hex) of the vocabulary file and every option that changes the outcome. */
  readonly digest: string;
  tokenize(text: string): TokenizedText;
  /** @returns the id, or `special.unk` for a piece outside the vocabulary */
  idOf(piece: string): number;
  pieceOf(id: number): string;
}
