import { constants } from "node:buffer";

// Bytes of protobuf's wire format, written from the last to the first: an inner message's length is known when it is written, so nothing is moved or
// put together. Numbers are as https://protobuf.dev/programming-guides/encoding/ has them.

/** Room to begin with, and to go back to after a larger message. */
const USUAL_BYTES = 64 * 1024;
/** Shorter strings are written here, as long as they are ASCII: a call to the runtime takes longer. */
const SHORT_STRING = 64;

/** Bytes that grow to the front. One message at a time: `begin`, then its values, then `finish`. */
export class ReverseBytes {
  #bytes = Buffer.allocUnsafeSlow(USUAL_BYTES);
  #at = USUAL_BYTES;

  /** Forgets what was written. */
  begin(): void {
    if (this.#bytes.length > USUAL_BYTES) this.#bytes = Buffer.allocUnsafeSlow(USUAL_BYTES);
    this.#at = this.#bytes.length;
  }

  /** A copy of all that was written. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#at));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** A varint of at most 32 bits. @throws Error for any other number */
  uint32(value: number): void {
    if (value >>> 0 !== value) throw new Error(`invalid uint32: ${value}`);
    if (value < 0x80) {
      this.#reserve(1);
      this.#bytes[--this.#at] = value;
      return;
    }
    const bytes = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.#reserve(bytes);
    this.#at -= bytes;
    let rest = value;
    let at = this.#at;
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[at++] = (rest & 0x7f) | 0x80;
    this.#bytes[at] = rest;
  }

  /** The number and wire type of a field, in front of its value. */
  tag(field: number, wireType: number): void {
    this.uint32(((field << 3) | wireType) >>> 0);
  }

  /** A varint; negative ones take ten bytes. @throws Error for what is no integer of 32 bits */
  int32(value: number): void {
    if ((value | 0) !== value) throw new Error(`invalid int32: ${value}`);
    if (value >= 0) this.uint32(value);
    else this.int64(BigInt(value));
  }

  /** A varint of 64 bits, signed or not. */
  int64(value: bigint): void {
    const varint: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) varint.push(Number(rest & 0x7fn) | 0x80);
    varint.push(Number(rest));
    this.#reserve(varint.length);
    this.#at -= varint.length;
    for (let i = 0; i < varint.length; i++) this.#bytes[this.#at + i] = varint[i]!;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at - 8) - 8;
  }

  /** @throws Error for a finite number that does not fit */
  float(value: number): void {
    if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw new Error(`invalid float32: ${value}`);
    this.#reserve(4);
    this.#at = this.#bytes.writeFloatLE(value, this.#at - 4) - 4;
  }

  /** A length and UTF-8; halves of surrogate pairs become U+FFFD. */
  string(value: string): void {
    if (value.length <= SHORT_STRING && this.#ascii(value)) {
      this.uint32(value.length);
      return;
    }
    const bytes = Buffer.byteLength(value);
    this.#reserve(bytes);
    this.#at -= bytes;
    this.#bytes.write(value, this.#at, bytes, "utf8");
    this.uint32(bytes);
  }

  /** A length and as many bytes. */
  bytes(value: Uint8Array): void {
    this.raw(value);
    this.uint32(value.length);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
  }

  /** Writes a string of ASCII. @returns false, with nothing written, for another one */
  #ascii(value: string): boolean {
    this.#reserve(value.length);
    const start = this.#at - value.length;
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return false;
      this.#bytes[start + i] = unit;
    }
    this.#at = start;
    return true;
  }

  /** Makes room in front. */
  #reserve(bytes: number): void {
    if (bytes <= this.#at) return;
    const { length } = this;
    const size = Math.min(constants.MAX_LENGTH, Math.max(2 * this.#bytes.length, 2 * (length + bytes)));
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(this.#bytes.subarray(this.#at), size - length);
    this.#bytes = larger;
    this.#at = size - length;
  }
}
