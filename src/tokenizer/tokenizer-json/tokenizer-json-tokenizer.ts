import { AlbertError } from "../../errors.ts";
import { type AlignedText, alignIdentity, textOf } from "../aligned-text.ts";
import type { SpecialIds, TokenizedText, Tokenizer } from "../tokenizer.ts";
import { AddedTokenFinder } from "./added-tokens.ts";
import type { AddedToken, PreTokenizerRule, TokenizerDefinition } from "./definition.ts";
import { buildModel, type CutWord } from "./models.ts";
import { buildNormalizer, type Normalize, part } from "./normalize.ts";
import { preTokenize } from "./pre-tokenize.ts";
import { idsOf } from "./read-tokenizer-json.ts";

/** The tokenizer that a `tokenizer.json` describes: the pieces and ids of the library `tokenizers`, with offsets of our own. */
export class TokenizerJsonTokenizer implements Tokenizer {
  readonly kind = "tokenizer-json";
  readonly pieceStyle: Tokenizer["pieceStyle"];
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly lowerCase: boolean;
  readonly digest: string;
  readonly #ids: Map<string, number>;
  /** By id; a hole in the ids reads as the unknown piece. */
  readonly #pieces: string[];
  readonly #inText: AddedTokenFinder;
  readonly #inNormalized: AddedTokenFinder;
  readonly #normalize: Normalize;
  readonly #preTokenizer: readonly PreTokenizerRule[];
  readonly #cutWord: CutWord;

  /** @throws AlbertError precondition when the vocabulary lacks a special piece */
  constructor(definition: TokenizerDefinition, digest: string) {
    const { model, addedTokens, normalizer, preTokenizer } = definition;
    this.digest = digest;
    this.pieceStyle = model.type === "unigram" ? "sentencepiece" : "wordpiece";
    this.lowerCase = lowersCase(definition);
    this.#ids = new Map(idsOf(model));
    for (const { content, id } of addedTokens) this.#ids.set(content, id);
    const own = model.type === "unigram" ? model.pieces.length : 0;
    this.vocabSize = [...this.#ids.values()].reduce((size, id) => Math.max(size, id + 1), own);
    this.special = {
      pad: this.#required("<pad>", "[PAD]"),
      unk: model.type === "unigram" ? model.unknownId : this.#required(model.unknownPiece),
      cls: this.#required(definition.cls),
      sep: this.#required(definition.sep),
      mask: this.#required("[MASK]", "<mask>"),
    };
    this.#pieces = this.#piecesById(definition);
    this.#normalize = buildNormalizer(normalizer);
    this.#preTokenizer = preTokenizer;
    this.#cutWord = buildModel(model);
    const looks = (token: AddedToken) => textOf(this.#normalize(alignIdentity(token.content)));
    this.#inText = new AddedTokenFinder(
      addedTokens.filter((token) => !token.normalized).map((token) => ({ pattern: token.content, token })),
    );
    this.#inNormalized = new AddedTokenFinder(
      addedTokens.filter((token) => token.normalized).map((token) => ({ pattern: looks(token), token })),
    );
  }

  tokenize(text: string): TokenizedText {
    const out: PieceLists = { pieces: [], ids: [], starts: [], ends: [] };
    const whole = alignIdentity(text);
    for (const { start, end, token } of this.#inText.split(text)) {
      if (token !== undefined) push(out, token.content, token.id, start, end);
      else this.#tokenizeSection(this.#normalize(part(whole, start, end)), out);
    }
    return {
      pieces: out.pieces,
      ids: Int32Array.from(out.ids),
      starts: Int32Array.from(out.starts),
      ends: Int32Array.from(out.ends),
    };
  }

  idOf(piece: string): number {
    return this.#ids.get(piece) ?? this.special.unk;
  }

  pieceOf(id: number): string {
    const piece = this.#pieces[id];
    if (piece === undefined) throw new RangeError(`id must be 0-${this.vocabSize - 1}, got ${id}`);
    return piece;
  }

  #tokenizeSection(text: AlignedText, out: PieceLists): void {
    for (const { start, end, token } of this.#inNormalized.split(textOf(text))) {
      const section = part(text, start, end);
      if (token !== undefined)
        push(out, token.content, token.id, section.starts[0]!, section.ends[section.length - 1]!);
      else {
        for (const word of preTokenize(section, this.#preTokenizer, start === 0)) this.#cut(word, out);
      }
    }
  }

  /** The range of a piece leaves out a space that only its U+2581 stands for, unless it is nothing else. */
  #cut(word: AlignedText, out: PieceLists): void {
    for (const { id, piece, start, end } of this.#cutWord(word)) {
      const visible =
        this.pieceStyle === "sentencepiece" && word.units[start] === SPACE_UNIT && end - start > 1 ? start + 1 : start;
      push(out, piece, id, word.starts[visible]!, word.ends[end - 1]!);
    }
  }

  #piecesById({ model }: TokenizerDefinition): string[] {
    const hole = model.type === "unigram" ? model.pieces[model.unknownId]![0] : model.unknownPiece;
    const pieces = new Array<string>(this.vocabSize).fill(hole);
    if (model.type === "unigram") for (const [id, [piece]] of model.pieces.entries()) pieces[id] = piece;
    for (const [piece, id] of this.#ids) pieces[id] = piece;
    return pieces;
  }

  #required(...names: readonly string[]): number {
    const found = names.map((name) => this.#ids.get(name)).find((id) => id !== undefined);
    if (found !== undefined) return found;
    const piece = names.join(" or ");
    throw new AlbertError(
      "precondition",
      `tokenizer.json lacks the piece ${piece}, in model.vocab and in added_tokens; add it and give it a row of the embeddings`,
      { reason: "VOCABULARY_LACKS_SPECIAL_PIECE", metadata: { piece } },
    );
  }
}

const SPACE_UNIT = 0x2581;

interface PieceLists {
  readonly pieces: string[];
  readonly ids: number[];
  readonly starts: number[];
  readonly ends: number[];
}

function push(lists: PieceLists, piece: string, id: number, start: number, end: number): void {
  lists.pieces.push(piece);
  lists.ids.push(id);
  lists.starts.push(start);
  lists.ends.push(end);
}

/** Whether a tokenizer makes no difference between cases. */
function lowersCase({ normalizer }: TokenizerDefinition): boolean {
  return normalizer.some((rule) => rule.type === "lowercase" || (rule.type === "bert" && rule.lowercase));
}
