import { type AlignedText, alignIdentity, textOf } from "../aligned-text.ts";
import type { TokenizedText } from "../tokenizer.ts";
import { readSentencePieceModel, type SentencePieceModelFile } from "./sentencepiece-model.ts";
import { SentencePieceNormalizer, SPACE_SYMBOL } from "./sentencepiece-normalizer.ts";
import { UnigramModel } from "./unigram.ts";

// A SentencePiece model: normalise, segment, decode. It knows nothing of ALBERT's own rules.

/** Pieces with the normalised text that they cut up: piece i is `normalized.units[bounds[i]..bounds[i + 1]]`. */
export interface SentencePieceEncoding extends TokenizedText {
  readonly normalized: AlignedText;
  readonly bounds: readonly number[];
}

/**
 * A SentencePiece unigram model: normalise, segment, decode. It knows nothing of ALBERT's cleaning rules; see
 * `sentencepiece-tokenizer.ts` for those.
 */
export class SentencePieceModel {
  readonly file: SentencePieceModelFile;
  readonly unknownId: number;
  readonly #normalizer: SentencePieceNormalizer;
  readonly #unigram: UnigramModel;
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * @param bytes content of a `.model` file
   * @throws AlbertError corrupt or unimplemented, see {@link readSentencePieceModel}
   */
  constructor(bytes: Uint8Array) {
    this.file = readSentencePieceModel(bytes);
    this.#normalizer = new SentencePieceNormalizer(this.file);
    this.#unigram = new UnigramModel(this.file.pieces);
    this.#ids = new Map(this.file.pieces.map((piece, id) => [piece.text, id]));
    this.unknownId = this.file.pieces.findIndex((piece) => piece.type === "unknown");
  }

  get vocabSize(): number {
    return this.file.pieces.length;
  }

  /** @returns the id of a piece, or `unknownId` for a piece outside the vocabulary */
  idOf(piece: string): number {
    return this.#ids.get(piece) ?? this.unknownId;
  }

  has(piece: string): boolean {
    return this.#ids.has(piece);
  }

  /**
   * The best segmentation of a text. Offsets refer to whatever `text` is aligned with; a plain string stands for itself.
   * Control symbols are never produced from text. The space that a piece's leading U+2581 stands for does not count to
   * the piece's range, except for a piece that is nothing else.
   */
  encode(text: AlignedText | string): SentencePieceEncoding {
    const normalized = this.#normalizer.normalize(typeof text === "string" ? alignIdentity(text) : text);
    const { ids: best, bounds } = this.#unigram.segment(normalized);
    const pieces: string[] = new Array(best.length);
    const ids = new Int32Array(best.length);
    const starts = new Int32Array(best.length);
    const ends = new Int32Array(best.length);
    for (let i = 0; i < best.length; i++) {
      const from = bounds[i]!;
      const to = bounds[i + 1]!;
      const id = best[i]!;
      pieces[i] = id === this.unknownId ? textOf(normalized, from, to) : this.file.pieces[id]!.text;
      ids[i] = id;
      const visible = normalized.units[from] === SPACE_UNIT && to - from > 1 ? from + 1 : from;
      starts[i] = normalized.starts[visible]!;
      ends[i] = normalized.ends[to - 1]!;
    }
    return { pieces, ids, starts, ends, normalized, bounds };
  }

  /** The normalised form that `encode` segments: pieces joined give exactly this. */
  normalize(text: string): string {
    return textOf(this.#normalizer.normalize(alignIdentity(text)));
  }

  /** Joins pieces to readable text: U+2581 becomes a space, control pieces vanish, foreign pieces stay as they are. */
  decode(pieces: readonly string[]): string {
    let text = "";
    let atStart = true;
    for (const piece of pieces) {
      const id = this.idOf(piece);
      if (this.file.pieces[id]!.type === "control") continue;
      if (id === this.unknownId) {
        text += piece === this.file.pieces[id]!.text ? this.file.unknownSurface : piece;
      } else {
        const strip = atStart && (this.file.addDummyPrefix || this.file.removeExtraWhitespaces);
        const visible = strip && piece.startsWith(SPACE_SYMBOL) ? piece.slice(1) : piece;
        text += visible.replaceAll(SPACE_SYMBOL, " ");
        if (strip && visible.length < piece.length && !this.file.removeExtraWhitespaces) atStart = false;
      }
      if (text !== "") atStart = false;
    }
    return text;
  }

  /** {@link decode} by way of ids: every unknown piece shows as the model's unknown surface. */
  decodeIds(ids: ArrayLike<number>): string {
    return this.decode(Array.from(ids, (id) => this.file.pieces[id]!.text));
  }
}

const SPACE_UNIT = SPACE_SYMBOL.charCodeAt(0);
