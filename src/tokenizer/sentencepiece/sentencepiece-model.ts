import { AlbertError, corrupt } from "../../errors.ts";
import { protobufFields } from "../../platform/protobuf-fields.ts";

// Reads a SentencePiece `.model` file.

/** What a piece may be used for. */
export type PieceType = "normal" | "unknown" | "control" | "user-defined" | "unused" | "byte";

export interface SentencePiece {
  readonly text: string;
  /** float32 log probability. */
  readonly score: number;
  readonly type: PieceType;
}

/** The parts of a SentencePiece `.model` file that decide how a text is segmented. */
export interface SentencePieceModelFile {
  /** The position is the id. */
  readonly pieces: readonly SentencePiece[];
  /** The normaliser's rules: a double-array trie and its replacement strings; empty for the identity. */
  readonly precompiledCharsmap: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  /** What decoding shows for the unknown piece. */
  readonly unknownSurface: string;
}

/** The values of `ModelProto.SentencePiece.Type`. */
const PIECE_TYPES: Readonly<Record<number, PieceType>> = {
  1: "normal",
  2: "unknown",
  3: "control",
  4: "user-defined",
  5: "unused",
  6: "byte",
};

const UNIGRAM = 1;

/**
 * Reads a SentencePiece model (a `ModelProto` of sentencepiece_model.proto).
 *
 * @throws AlbertError corrupt for bytes that are no such model, unimplemented for a kind of model that ALBERT never
 *   uses (byte-pair encoding, byte fallback, white space as a suffix)
 */
export function readSentencePieceModel(bytes: Uint8Array): SentencePieceModelFile {
  const what = "SentencePiece model";
  const pieces: SentencePiece[] = [];
  let precompiledCharsmap: Uint8Array = new Uint8Array(0);
  let addDummyPrefix = true;
  let removeExtraWhitespaces = true;
  let unknownSurface = " \u2047 ";

  for (const field of protobufFields(bytes, what)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) {
      pieces.push(readPiece(field.bytes, pieces.length));
    } else if (field.number === 2) {
      for (const option of protobufFields(field.bytes, `${what}, trainer_spec`)) {
        if (option.number === 3 && option.value !== UNIGRAM) throw unsupported(`model_type ${option.value}`, "unigram");
        if (option.number === 24 && option.value !== 0) throw unsupported("treat_whitespace_as_suffix", "false");
        if (option.number === 35 && option.value !== 0) throw unsupported("byte_fallback", "false");
        if (option.number === 44) unknownSurface = utf8.decode(option.bytes);
      }
    } else if (field.number === 3) {
      for (const option of protobufFields(field.bytes, `${what}, normalizer_spec`)) {
        if (option.number === 2) precompiledCharsmap = option.bytes;
        if (option.number === 3) addDummyPrefix = option.value !== 0;
        if (option.number === 4) removeExtraWhitespaces = option.value !== 0;
        if (option.number === 5 && option.value === 0) throw unsupported("escape_whitespaces false", "true");
      }
    }
  }
  if (pieces.length === 0) throw corrupt(`${what}: it holds no piece; is this a .model file (not a .vocab file)?`);
  const unknown = pieces.filter((piece) => piece.type === "unknown").length;
  if (unknown !== 1) throw corrupt(`${what}: expected exactly one unknown piece, got ${unknown}`);
  return { pieces, precompiledCharsmap, addDummyPrefix, removeExtraWhitespaces, unknownSurface };
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function readPiece(bytes: Uint8Array, id: number): SentencePiece {
  const what = `SentencePiece model, piece ${id}`;
  let text = "";
  let score = 0;
  let type: PieceType = "normal";
  for (const field of protobufFields(bytes, what)) {
    if (field.number === 1) text = utf8.decode(field.bytes);
    if (field.number === 2 && field.wireType === 5) {
      score = new DataView(field.bytes.buffer, field.bytes.byteOffset, 4).getFloat32(0, true);
    }
    if (field.number === 3) {
      const known = PIECE_TYPES[field.value];
      if (known === undefined) throw corrupt(`${what}: type ${field.value} does not exist`);
      type = known;
    }
  }
  if (text === "") throw corrupt(`${what}: its text is empty`);
  if (!Number.isFinite(score)) throw corrupt(`${what}: its score is ${score}`);
  return { text, score, type };
}

function unsupported(option: string, expected: string): AlbertError {
  return new AlbertError(
    "unimplemented",
    `SentencePiece model: expected ${expected}, got ${option}; ALBERT models use unigram vocabularies`,
    { reason: "VOCABULARY_UNSUPPORTED" },
  );
}
