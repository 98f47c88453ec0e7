import { AlbertError } from "../../errors.ts";
import { type AlignedText, AlignedTextBuilder, isLowSurrogate } from "../aligned-text.ts";
import type { SpecialIds, TokenizedText, Tokenizer } from "../tokenizer.ts";
import { DIGIT } from "../unicode.ts";
import { preprocessAligned } from "./preprocess.ts";
import { type SentencePieceEncoding, SentencePieceModel } from "./sentencepiece.ts";
import { SPACE_SYMBOL } from "./sentencepiece-normalizer.ts";

// The tokenizer of the English ALBERT models.

export interface SentencePieceTokenizerOptions {
  readonly lowerCase: boolean;
  /**
   * How a piece such as "2000," is split. `true` (the official code): the re-encoded "2000" keeps the U+2581 that every
   * fresh encoding begins with, also inside a word. `false` (Hugging Face): that U+2581 is removed inside a word.
   */
  readonly officialCommaHandling: boolean;
  readonly digest: string;
}

/** The tokenizer of the English ALBERT models: official cleaning, SentencePiece, and the digit-comma rule. */
export class SentencePieceTokenizer implements Tokenizer {
  readonly kind = "sentencepiece";
  readonly pieceStyle = "sentencepiece";
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly lowerCase: boolean;
  readonly digest: string;
  readonly #model: SentencePieceModel;
  readonly #officialCommaHandling: boolean;

  /**
   * @param bytes content of a SentencePiece `.model` file
   * @throws AlbertError corrupt or unimplemented for a file that is no unigram model, precondition when it lacks one
   *   of ALBERT's special pieces
   */
  constructor(bytes: Uint8Array, options: SentencePieceTokenizerOptions) {
    this.#model = new SentencePieceModel(bytes);
    this.#officialCommaHandling = options.officialCommaHandling;
    this.vocabSize = this.#model.vocabSize;
    this.lowerCase = options.lowerCase;
    this.digest = options.digest;
    this.special = {
      pad: this.#required("<pad>"),
      unk: this.#model.unknownId,
      cls: this.#required("[CLS]"),
      sep: this.#required("[SEP]"),
      mask: this.#required("[MASK]"),
    };
  }

  tokenize(text: string): TokenizedText {
    const encoding = this.#model.encode(preprocessAligned(text, { lowerCase: this.lowerCase }));
    if (encoding.pieces.some(endsWithDigitComma)) return this.#splitDigitCommas(encoding);
    const { pieces, ids, starts, ends } = encoding;
    const { unk } = this.special;
    // Officially ids come from the pieces' texts: an unknown run that reads like a control symbol becomes that symbol.
    for (let i = 0; i < ids.length; i++) if (ids[i] === unk) ids[i] = this.#model.idOf(pieces[i]!);
    return { pieces, ids, starts, ends };
  }

  idOf(piece: string): number {
    return this.#model.idOf(piece);
  }

  pieceOf(id: number): string {
    const piece = this.#model.file.pieces[id];
    if (piece === undefined) throw new RangeError(`id must be 0-${this.vocabSize - 1}, got ${id}`);
    return piece.text;
  }

  /** Replaces every piece such as "2000," by the encoding of "2000" on its own, and ",". */
  #splitDigitCommas({ pieces, starts, ends, normalized, bounds }: SentencePieceEncoding): TokenizedText {
    const out: PieceLists = { pieces: [], starts: [], ends: [] };
    pieces.forEach((piece, i) => {
      if (!endsWithDigitComma(piece)) {
        push(out, piece, starts[i]!, ends[i]!);
        return;
      }
      const comma = bounds[i + 1]! - 1;
      const number = this.#model.encode(withoutSpaceSymbols(normalized, bounds[i]!, comma));
      const strip = !this.#officialCommaHandling && !piece.startsWith(SPACE_SYMBOL);
      number.pieces.forEach((part, j) => {
        const kept = strip && j === 0 && part.startsWith(SPACE_SYMBOL) ? part.slice(1) : part;
        if (kept !== "") push(out, kept, number.starts[j]!, number.ends[j]!);
      });
      push(out, ",", normalized.starts[comma]!, normalized.ends[comma]!);
    });
    return {
      pieces: out.pieces,
      ids: Int32Array.from(out.pieces, (piece) => this.#model.idOf(piece)),
      starts: Int32Array.from(out.starts),
      ends: Int32Array.from(out.ends),
    };
  }

  #required(piece: string): number {
    if (this.#model.has(piece)) return this.#model.idOf(piece);
    throw new AlbertError(
      "precondition",
      `the SentencePiece vocabulary lacks the piece ${piece}; train it with control symbols [CLS], [SEP], [MASK] and pad_id 0`,
      { reason: "VOCABULARY_LACKS_SPECIAL_PIECE", metadata: { piece } },
    );
  }
}

interface PieceLists {
  readonly pieces: string[];
  readonly starts: number[];
  readonly ends: number[];
}

function push(lists: PieceLists, piece: string, start: number, end: number): void {
  lists.pieces.push(piece);
  lists.starts.push(start);
  lists.ends.push(end);
}

/** Whether a piece of more than one character is a comma after a digit (of any script). */
function endsWithDigitComma(piece: string): boolean {
  if (piece.length < 2 || piece.charCodeAt(piece.length - 1) !== 0x2c) return false;
  const last = piece.length - 2;
  const before = isLowSurrogate(piece.charCodeAt(last)) && last > 0 ? last - 1 : last;
  return DIGIT.has(piece.codePointAt(before)!);
}

/** Units `from..to` of a normalised text as a text of their own, without U+2581. */
function withoutSpaceSymbols(text: AlignedText, from: number, to: number): AlignedText {
  const out = new AlignedTextBuilder(to - from);
  for (let i = from; i < to; i++) {
    const unit = text.units[i]!;
    if (unit !== SPACE_SYMBOL.charCodeAt(0)) out.push(unit, text.starts[i]!, text.ends[i]!);
  }
  return out;
}
