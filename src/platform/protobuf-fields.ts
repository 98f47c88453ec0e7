import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { corrupt } from "../errors.ts";

// Reads Protocol Buffers messages of which only a few fields matter, field by field and without a schema: SentencePiece
// models, checkpoint indexes, TensorFlow examples. It copies no bytes. Our own API goes through generated code instead.

/** One field of a message: a varint or a fixed-width word as a number, a length-delimited field as its bytes. */
export interface ProtobufField {
  readonly number: number;
  readonly wireType: WireType;
  /** The unsigned number, or the length of `bytes`. Above 2^53 the low bits are lost. */
  readonly value: number;
  /** A view of the field's bytes; of a varint, none. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/**
 * The fields of one message in file order. Unknown fields are for the caller to skip.
 *
 * @throws AlbertError corrupt, naming `what` and the byte offset, where the bytes are no message
 */
export function* protobufFields(message: Uint8Array, what: string): Generator<ProtobufField> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    let field: ProtobufField;
    try {
      field = readField(reader);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      throw corrupt(`${what}: the field at byte ${start} of ${message.length} cannot be read: ${problem}`, { cause });
    }
    yield field;
  }
}

/** Numbers of a packed list of varints; those above 2^53 lose their low bits. @throws AlbertError as `protobufFields` does */
export function packedIntegers(bytes: Uint8Array, what: string): number[] {
  const reader = new BinaryReader(bytes);
  const values: number[] = [];
  try {
    while (reader.pos < reader.len) values.push(Number(reader.uint64()));
  } catch (cause) {
    throw corrupt(`${what}: a list of integers of ${bytes.length} bytes is cut off`, { cause });
  }
  return values;
}

function readField(reader: BinaryReader): ProtobufField {
  const [number, wireType] = reader.tag();
  switch (wireType) {
    case WireType.Varint:
      return { number, wireType, value: Number(reader.uint64()), bytes: NO_BYTES };
    case WireType.LengthDelimited: {
      const bytes = reader.bytes();
      return { number, wireType, value: bytes.length, bytes };
    }
    case WireType.Bit32: {
      const bytes = reader.skip(wireType);
      return { number, wireType, value: viewOf(bytes).getUint32(0, true), bytes };
    }
    case WireType.Bit64: {
      const bytes = reader.skip(wireType);
      return { number, wireType, value: Number(viewOf(bytes).getBigUint64(0, true)), bytes };
    }
    default:
      throw new Error(`field ${number} is a group, which these messages do not have`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
