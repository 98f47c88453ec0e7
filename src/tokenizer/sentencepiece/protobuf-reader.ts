import { corrupt } from "../../errors.ts";

/** One field of a protobuf message: a varint or a 32-bit word as a number, a length-delimited field as its bytes. */
export interface ProtobufField {
  readonly number: number;
  readonly wireType: number;
  /** Varints above 2^53 lose their low bits; no field that is read here holds one. */
  readonly value: number;
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Walks the fields of one protobuf message in file order. Unknown fields are for the caller to skip.
 *
 * @throws {AlbertError} `corrupt`, naming `what` and the byte offset, where the bytes are not a protobuf message
 */
export function* protobufFields(message: Uint8Array, what: string): Generator<ProtobufField> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const broken = (problem: string) => corrupt(`${what}: ${problem} at byte ${at} of ${message.length}`);

  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      if (at >= message.length) throw broken("the file ends inside a number");
      const byte = message[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw broken("a number of more than 64 bits");
  }

  while (at < message.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === 0) {
      yield { number, wireType, value: varint(), bytes: NO_BYTES };
    } else if (wireType === 1 || wireType === 5) {
      const size = wireType === 1 ? 8 : 4;
      if (at + size > message.length) throw broken(`a fixed ${8 * size}-bit field is cut off`);
      const value = size === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
      yield { number, wireType, value, bytes: message.subarray(at, at + size) };
      at += size;
    } else if (wireType === 2) {
      const size = varint();
      if (at + size > message.length) throw broken(`a field of ${size} bytes is cut off`);
      yield { number, wireType, value: size, bytes: message.subarray(at, at + size) };
      at += size;
    } else {
      throw broken(`wire type ${wireType} does not exist`);
    }
  }
}
