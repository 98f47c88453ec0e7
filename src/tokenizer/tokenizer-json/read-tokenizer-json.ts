import { type AlbertError, corrupt } from "../../errors.ts";
import type { AddedToken, PieceModel, TokenizerDefinition } from "./definition.ts";
import { fail, flag, list, type Node, object, rootNode, text, unsupported } from "./json-node.ts";
import { readNormalizer } from "./read-normalizer.ts";
import { readSpecialPieces } from "./read-post-processor.ts";
import { readPreTokenizer } from "./read-pre-tokenizer.ts";

// Builds a tokenizer from a `tokenizer.json`, and refuses what this program does not compute exactly as the library.

/** Longest `tokenizer.json` that is read, in bytes: some ten times the largest published one of these kinds. */
const MOST_BYTES = 256 << 20;
/** Largest id of an added token: a table of embeddings of that many rows would not fit anywhere. */
const MOST_IDS = 2_000_000;

/**
 * Reads a `tokenizer.json` as the library `tokenizers` writes it, and refuses what it cannot do exactly as that does.
 *
 * @throws AlbertError corrupt for a file that contradicts itself, unimplemented (TOKENIZER_UNSUPPORTED) for a part
 *   that cannot be represented, both naming the place in the file
 */
export function readTokenizerJson(bytes: Uint8Array): TokenizerDefinition {
  if (bytes.length > MOST_BYTES) {
    throw corrupt(`tokenizer.json has ${bytes.length} bytes; at most ${MOST_BYTES} are read`);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt("tokenizer.json is not JSON; copy it again", { reason: "JSON_INVALID", cause });
  }
  const root = object(rootNode(json));
  const model = readModel(root("model"));
  const addedTokens = readAddedTokens(root("added_tokens"), model);
  const idOf = (piece: string) => addedTokens.find((token) => token.content === piece)?.id ?? idsOf(model).get(piece);
  return {
    model,
    addedTokens,
    normalizer: readNormalizer(root("normalizer")),
    preTokenizer: readPreTokenizer(root("pre_tokenizer")),
    ...readSpecialPieces(root("post_processor"), idOf),
  };
}

/** Ids of a model's own pieces; of a repeated piece the last. */
export function idsOf(model: PieceModel): ReadonlyMap<string, number> {
  return model.type === "wordpiece" ? model.ids : new Map(model.pieces.map(([piece], id) => [piece, id]));
}

function readModel(node: Node): PieceModel {
  const model = object(node);
  const type = model("type").value;
  if (type === "Unigram" || (type === undefined && Array.isArray(model("vocab").value))) return readUnigram(node);
  if (type === "WordPiece") return readWordPiece(node);
  throw unsupported(model("type"), "the models Unigram and WordPiece");
}

function readUnigram(node: Node): PieceModel {
  const model = object(node);
  if (flag(model("byte_fallback"), false)) throw unsupported(model("byte_fallback"), "false");
  const pieces = list(model("vocab")).map((entry): readonly [string, number] => {
    const [piece, score] = Array.isArray(entry.value) ? (entry.value as unknown[]) : [];
    if (typeof piece === "string" && typeof score === "number" && Number.isFinite(score)) return [piece, score];
    throw fail(entry, "a piece and its score");
  });
  const unknown = model("unk_id");
  if (unknown.value === null || unknown.value === undefined) throw unsupported(unknown, "the id of the unknown piece");
  if (!Number.isInteger(unknown.value) || pieces[unknown.value as number] === undefined) {
    throw fail(unknown, `an id from 0 to ${pieces.length - 1}`);
  }
  return { type: "unigram", pieces, unknownId: unknown.value as number };
}

function readWordPiece(node: Node): PieceModel {
  const model = object(node);
  const vocabulary = model("vocab");
  const { value } = vocabulary;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail(vocabulary, "an object from pieces to ids");
  }
  const ids = new Map<string, number>();
  const taken = new Map<number, string>();
  for (const [piece, id] of Object.entries(value)) {
    if (!Number.isInteger(id) || id < 0 || id >= MOST_IDS) {
      throw corrupt(
        `tokenizer.json: model.vocab gives ${shown(piece)} the id ${shown(id)}; expected 0 to ${MOST_IDS - 1}`,
      );
    }
    const other = taken.get(id as number);
    if (other !== undefined) {
      throw corrupt(
        `tokenizer.json: model.vocab gives ${shown(other)} and ${shown(piece)} the same id ${id}; save the tokenizer again`,
      );
    }
    taken.set(id as number, piece);
    ids.set(piece, id as number);
  }
  const unknownPiece = text(model("unk_token"));
  if (!ids.has(unknownPiece)) throw fail(model("unk_token"), "a piece of model.vocab");
  const longest = model("max_input_chars_per_word");
  const longestWord = longest.value === undefined ? 100 : longest.value;
  if (!Number.isInteger(longestWord) || (longestWord as number) < 0) throw fail(longest, "a natural number");
  return {
    type: "wordpiece",
    ids,
    unknownPiece,
    continuingPrefix:
      model("continuing_subword_prefix").value === undefined ? "##" : text(model("continuing_subword_prefix")),
    longestWord: longestWord as number,
  };
}

function readAddedTokens(node: Node, model: PieceModel): AddedToken[] {
  if (node.value === undefined || node.value === null) return [];
  const known = idsOf(model);
  const byContent = new Map<string, AddedToken>();
  for (const entry of list(node)) {
    const token = object(entry);
    const content = text(token("content"));
    if (content === "") continue; // the library leaves it out too
    const { value: id } = token("id");
    const own = known.get(content);
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= MOST_IDS) {
      throw fail(token("id"), `an id from 0 to ${MOST_IDS - 1}`);
    }
    if (own !== undefined && own !== id) throw mismatch(content, id, own);
    byContent.set(content, {
      id: id as number,
      content,
      normalized: flag(token("normalized"), !flag(token("special"), false)),
      singleWord: flag(token("single_word"), false),
      takesSpaceBefore: flag(token("lstrip"), false),
      takesSpaceAfter: flag(token("rstrip"), false),
    });
  }
  return [...byContent.values()];
}

function mismatch(content: string, given: unknown, own: number): AlbertError {
  return corrupt(
    `tokenizer.json: added_tokens gives ${shown(content)} the id ${shown(given)}, but model.vocab gives it ${own}; save the tokenizer again`,
  );
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}
