import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/**
 * Writes one Protocol Buffers message as a list of byte chunks. Payloads are kept as views, so that a model's weights are
 * copied once, into the final bytes, and not again at every level of nesting, as `BinaryWriter` alone would.
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];
  #byteLength = 0;
  /** The fields behind the last chunk. */
  readonly #pending = new BinaryWriter();

  /** Bytes written so far. */
  get byteLength(): number {
    this.#flush();
    return this.#byteLength;
  }

  /** An `int32`, `int64`, `enum` or `bool` field; negative numbers take ten bytes, as the format asks. */
  int(field: number, value: number | bigint): void {
    this.#pending.tag(field, WireType.Varint).int64(value);
  }

  /** A `float` field, little-endian. */
  float(field: number, value: number): void {
    this.#pending.tag(field, WireType.Bit32).float(value);
  }

  /** A `bytes` field. The bytes are not copied: they must not change before the message is read. */
  bytes(field: number, value: Uint8Array): void {
    this.#chunksField(field, [value], value.byteLength);
  }

  /** A `string` field. */
  string(field: number, value: string): void {
    this.#pending.tag(field, WireType.LengthDelimited).string(value);
  }

  /** A packed `repeated int64` field; nothing at all for an empty list. */
  packedInts(field: number, values: readonly (number | bigint)[]): void {
    if (values.length === 0) return;
    this.#pending.tag(field, WireType.LengthDelimited).fork();
    for (const value of values) this.#pending.int64(value);
    this.#pending.join();
  }

  /** A packed `repeated float` field; nothing at all for an empty list. */
  packedFloats(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.#pending.tag(field, WireType.LengthDelimited).fork();
    for (const value of values) this.#pending.float(value);
    this.#pending.join();
  }

  /** A nested message, written by `write`. */
  message(field: number, write: (writer: ProtobufWriter) => void): void {
    const nested = new ProtobufWriter();
    write(nested);
    nested.#flush();
    this.#chunksField(field, nested.#chunks, nested.#byteLength);
  }

  /** The whole message in one array. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.byteLength);
    let offset = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return bytes;
  }

  #chunksField(field: number, chunks: readonly Uint8Array[], byteLength: number): void {
    this.#pending.tag(field, WireType.LengthDelimited).uint32(byteLength);
    this.#flush();
    for (const chunk of chunks) this.#push(chunk);
  }

  #flush(): void {
    const bytes = this.#pending.finish();
    if (bytes.byteLength > 0) this.#push(bytes);
  }

  #push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.byteLength;
  }
}
