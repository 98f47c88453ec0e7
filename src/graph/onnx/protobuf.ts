/**
 * Writes one protobuf message as a list of byte chunks. Large payloads are kept as views, so that a model's weights are
 * copied once, into the final bytes, and not again at every level of nesting.
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];
  #byteLength = 0;

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The message in pieces; joined in order they are its encoding. */
  get chunks(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** An `int32`, `int64`, `enum` or `bool` field; negative numbers take ten bytes, as the format asks. */
  int(field: number, value: number | bigint): void {
    this.#push(varint((field << 3) | 0));
    this.#push(varint(value));
  }

  /** A `float` field, little-endian. */
  float(field: number, value: number): void {
    this.#push(varint((field << 3) | 5));
    this.#push(floatBytes([value]));
  }

  /** A `bytes` field. The bytes are not copied: they must not change before the message is read. */
  bytes(field: number, value: Uint8Array): void {
    this.#push(varint((field << 3) | 2));
    this.#push(varint(value.byteLength));
    this.#push(value);
  }

  /** A `string` field. */
  string(field: number, value: string): void {
    this.bytes(field, encoder.encode(value));
  }

  /** A packed `repeated int64` field; nothing at all for an empty list. */
  packedInts(field: number, values: readonly (number | bigint)[]): void {
    if (values.length === 0) return;
    this.message(field, (list) => {
      for (const value of values) list.#push(varint(value));
    });
  }

  /** A packed `repeated float` field; nothing at all for an empty list. */
  packedFloats(field: number, values: readonly number[]): void {
    if (values.length > 0) this.bytes(field, floatBytes(values));
  }

  /** A nested message, written by `write`. */
  message(field: number, write: (writer: ProtobufWriter) => void): void {
    const nested = new ProtobufWriter();
    write(nested);
    this.#push(varint((field << 3) | 2));
    this.#push(varint(nested.byteLength));
    for (const chunk of nested.#chunks) this.#push(chunk);
  }

  /** The whole message in one array. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#byteLength);
    let offset = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return bytes;
  }

  #push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
  }
}

const encoder = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function floatBytes(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => {
    view.setFloat32(index * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}
