// What a `tokenizer.json` says, as far as it decides pieces: checked, and with nothing in it that this program does not
// do.

/** One rule by which a text is rewritten before it is cut. */
export type NormalizerRule =
  | { readonly type: "nfc" | "nfd" | "nfkc" | "nfkd" | "lowercase" | "strip-accents" | "nmt" }
  | { readonly type: "strip"; readonly left: boolean; readonly right: boolean }
  | { readonly type: "replace"; readonly pattern: RegExp; readonly content: string }
  | { readonly type: "prepend"; readonly content: string }
  | { readonly type: "precompiled"; readonly charsmap: Uint8Array }
  | {
      readonly type: "bert";
      readonly cleanText: boolean;
      readonly handleChineseCharacters: boolean;
      readonly stripAccents: boolean;
      readonly lowercase: boolean;
    };

/** One rule by which a text is cut into words. */
export type PreTokenizerRule =
  | { readonly type: "whitespace-split" | "bert" }
  | {
      readonly type: "metaspace";
      readonly replacement: string;
      readonly prepend: "always" | "first" | "never";
      readonly split: boolean;
    };

/** Cuts words into pieces. */
export type PieceModel =
  | {
      readonly type: "unigram";
      readonly pieces: readonly (readonly [text: string, score: number])[];
      readonly unknownId: number;
    }
  | {
      readonly type: "wordpiece";
      readonly ids: ReadonlyMap<string, number>;
      readonly unknownPiece: string;
      readonly continuingPrefix: string;
      /** A longer word is unknown without being looked at. Counted in code points. */
      readonly longestWord: number;
    };

/** A text that is one piece wherever it stands, whatever the model makes of it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Found in the normalised text instead of the text as it is. */
  readonly normalized: boolean;
  /** Not found inside a word. */
  readonly singleWord: boolean;
  /** Takes the white space before it along. */
  readonly takesSpaceBefore: boolean;
  readonly takesSpaceAfter: boolean;
}

export interface TokenizerDefinition {
  readonly normalizer: readonly NormalizerRule[];
  readonly preTokenizer: readonly PreTokenizerRule[];
  readonly model: PieceModel;
  readonly addedTokens: readonly AddedToken[];
  /** What the post-processor puts before and behind each text. */
  readonly cls: string;
  readonly sep: string;
}
