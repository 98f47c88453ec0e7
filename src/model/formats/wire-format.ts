/** The little of Protocol Buffers' wire format that checkpoint indexes use. */

/** One field as it lies in a message: varints and fixed-width numbers as bigint, the rest as bytes. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** A position that does not hold what the wire format asks for. `at` is an offset into the message. */
export class WireFormatError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(`${message} at byte ${at}`);
    this.at = at;
  }
}

/** Reads an unsigned base-128 number. @returns the number and the offset behind it */
export function readVarint(bytes: Uint8Array, start: number): readonly [value: bigint, end: number] {
  let value = 0n;
  for (let at = start; at < start + 10; at++) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start));
    if (byte < 0x80) return [value, at + 1];
  }
  throw new WireFormatError("unfinished number", start);
}

/** The fields of a message in order. @throws WireFormatError */
export function readFields(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const take = (length: number): number => {
    if (length > message.length - at) throw new WireFormatError("field beyond the end of its message", at);
    at += length;
    return at - length;
  };
  while (at < message.length) {
    const [tag, afterTag] = readVarint(message, at);
    at = afterTag;
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0: {
        const [value, end] = readVarint(message, at);
        at = end;
        fields.push({ number, value });
        break;
      }
      case 1:
        fields.push({ number, value: view.getBigUint64(take(8), true) });
        break;
      case 2: {
        const [length, end] = readVarint(message, at);
        at = end;
        const start = take(Number(length));
        fields.push({ number, value: message.subarray(start, at) });
        break;
      }
      case 5:
        fields.push({ number, value: BigInt(view.getUint32(take(4), true)) });
        break;
      default:
        throw new WireFormatError(`field ${number} has unknown wire type ${tag & 7n}`, at);
    }
  }
  return fields;
}

/** Appends an unsigned base-128 number. */
export function pushVarint(target: number[], value: number | bigint): void {
  let rest = BigInt(value);
  while (rest >= 0x80n) {
    target.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  target.push(Number(rest));
}

/** Appends a varint field. Zero, the default of every proto3 number, is left out. */
export function pushVarintField(target: number[], field: number, value: number | bigint): void {
  if (BigInt(value) === 0n) return;
  pushVarint(target, field << 3);
  pushVarint(target, value);
}

/** Appends a nested message or byte string, also when it is empty. */
export function pushBytesField(target: number[], field: number, bytes: ArrayLike<number>): void {
  pushVarint(target, (field << 3) | 2);
  pushVarint(target, bytes.length);
  for (let i = 0; i < bytes.length; i++) target.push(bytes[i]!);
}

/** Appends a fixed 32-bit field. Zero is left out. */
export function pushFixed32Field(target: number[], field: number, value: number): void {
  if (value === 0) return;
  pushVarint(target, (field << 3) | 5);
  target.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
