import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { corrupt } from "../../errors.ts";
import { maskedCrc32c } from "./crc32c.ts";

// LevelDB's sorted string table, as TensorFlow writes checkpoint indexes: blocks of prefix-compressed entries, an index
// block with a key and a handle for each, and a footer of 48 bytes. Every block is followed by its type and its CRC.

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** A type byte and a masked CRC-32C of the block with its type. */
const TRAILER_BYTES = 5;
const RESTART_INTERVAL = 16;
/** Entries of one block before the next begins, in bytes: TensorFlow's own setting. */
const BLOCK_BYTES = 262144;

/**
 * Every entry of a table, in key order.
 *
 * @param name  what error messages call the file
 * @throws AlbertError corrupt, naming the byte offset, when anything contradicts the format or a block's checksum
 */
export function readSortedTable(file: Uint8Array, name: string): Map<string, Uint8Array> {
  if (file.length < FOOTER_BYTES) {
    throw corrupt(`${name} has ${file.length} bytes; a checkpoint index has at least ${FOOTER_BYTES}`);
  }
  const footerStart = file.length - FOOTER_BYTES;
  const footer = file.subarray(footerStart);
  if (new DataView(footer.buffer, footer.byteOffset).getBigUint64(40, true) !== MAGIC) {
    throw corrupt(`${name} has no table magic number at byte ${file.length - 8}: truncated, or not a checkpoint index`);
  }
  const offsetInFile = { name, base: footerStart };
  const [, afterMeta] = readHandle(footer, 0, offsetInFile);
  const [index, afterIndex] = readHandle(footer, afterMeta, offsetInFile);
  if (footer.subarray(afterIndex, 40).some((byte) => byte !== 0)) {
    throw corrupt(`${name}: the footer's padding at byte ${footerStart + afterIndex} is not zero`);
  }
  const [meta] = readHandle(footer, 0, offsetInFile);
  const covered: BlockHandle[] = [meta, index];
  readBlock(file, meta, name);
  const entries = new Map<string, Uint8Array>();
  let previous: string | undefined;
  for (const [, handleBytes] of readBlock(file, index, name)) {
    const [handle] = readHandle(handleBytes, 0, { name, base: index.offset });
    covered.push(handle);
    for (const [key, value] of readBlock(file, handle, name)) {
      if (previous !== undefined && key <= previous) {
        throw corrupt(`${name}: keys are out of order in the block at byte ${handle.offset}`);
      }
      entries.set(key, value);
      previous = key;
    }
  }
  requireFullCoverage(covered, footerStart, name);
  return entries;
}

interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

interface FilePosition {
  readonly name: string;
  /** Offset in the file of the bytes that are being parsed. */
  readonly base: number;
}

function readHandle(bytes: Uint8Array, start: number, { name, base }: FilePosition): readonly [BlockHandle, number] {
  const reader = new BinaryReader(bytes);
  reader.pos = start;
  const number = (): number => {
    const from = reader.pos;
    const value = Number(reader.uint64());
    // A number with zero bytes at its end is a shorter one whose last byte was damaged: the footer has no checksum.
    if (reader.pos - from > 1 && bytes[reader.pos - 1] === 0) throw new RangeError("overlong number");
    return value;
  };
  try {
    const offset = number();
    const size = number();
    return [{ offset, size }, reader.pos];
  } catch (cause) {
    throw corrupt(`${name}: unreadable block handle at byte ${base + start}`, { cause });
  }
}

function readBlock(file: Uint8Array, { offset, size }: BlockHandle, name: string): (readonly [string, Uint8Array])[] {
  const end = offset + size;
  if (end + TRAILER_BYTES > file.length - FOOTER_BYTES) {
    throw corrupt(`${name}: the block at byte ${offset} of ${size} bytes lies beyond the file's ${file.length} bytes`);
  }
  const crc = new DataView(file.buffer, file.byteOffset).getUint32(end + 1, true);
  if (maskedCrc32c(file.subarray(offset, end + 1)) !== crc) {
    throw corrupt(`${name}: the checksum of the block at byte ${offset} does not match its ${size} bytes`);
  }
  if (file[end] !== 0) {
    throw corrupt(
      `${name}: the block at byte ${offset} is compressed (type ${file[end]}), which TensorFlow never writes`,
    );
  }
  return parseEntries(file.subarray(offset, end), (problem, at) =>
    corrupt(`${name}: ${problem} at byte ${at} of the block at byte ${offset}`),
  );
}

/**
 * Entries of a block: length shared with the key before, rest of the key, value. The restart offsets at the end only serve
 * seeking.
 *
 * @param broken  makes the error for a problem at an offset into the block
 */
function parseEntries(
  block: Uint8Array,
  broken: (problem: string, at: number) => Error,
): (readonly [string, Uint8Array])[] {
  if (block.length < 4) throw broken("no restart count", 0);
  const restarts = new DataView(block.buffer, block.byteOffset).getUint32(block.length - 4, true);
  const end = block.length - 4 - 4 * restarts;
  if (end < 0) throw broken(`${restarts} restarts do not fit`, block.length - 4);
  const reader = new BinaryReader(block.subarray(0, end));
  const decoder = new TextDecoder();
  const entries: (readonly [string, Uint8Array])[] = [];
  let key = new Uint8Array(0);
  const take = (length: number): Uint8Array => {
    reader.pos += length;
    return block.subarray(reader.pos - length, reader.pos);
  };
  while (reader.pos < end) {
    const start = reader.pos;
    let lengths: readonly [shared: number, rest: number, value: number];
    try {
      lengths = [reader.uint32(), reader.uint32(), reader.uint32()];
    } catch {
      throw broken("unfinished number", start);
    }
    const [shared, rest, valueLength] = lengths;
    if (shared > key.length || reader.pos + rest + valueLength > end) throw broken("entry out of bounds", start);
    key = Buffer.concat([key.subarray(0, shared), take(rest)]);
    entries.push([decoder.decode(key), take(valueLength)]);
  }
  return entries;
}

/** Every byte before the footer belongs to exactly one block, so that no damage can hide between them. */
function requireFullCoverage(blocks: readonly BlockHandle[], footerStart: number, name: string): void {
  let at = 0;
  for (const { offset, size } of [...blocks].sort((a, b) => a.offset - b.offset)) {
    if (offset !== at)
      throw corrupt(`${name}: bytes ${Math.min(at, offset)} to ${Math.max(at, offset)} belong to no block or to two`);
    at = offset + size + TRAILER_BYTES;
  }
  if (at !== footerStart) throw corrupt(`${name}: bytes ${at} to ${footerStart} belong to no block`);
}

/**
 * Writes a table. Byte for byte what TensorFlow's own writer produces from the same entries.
 *
 * @param entries  in ascending order of their keys' UTF-8 bytes
 */
export function writeSortedTable(entries: readonly (readonly [key: string, value: Uint8Array])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let written = 0;
  const append = (block: Uint8Array): Uint8Array => {
    const handle = new BinaryWriter().uint64(written).uint64(block.length).finish();
    const trailed = Buffer.alloc(block.length + TRAILER_BYTES);
    trailed.set(block);
    trailed.writeUInt32LE(maskedCrc32c(trailed.subarray(0, block.length + 1)), block.length + 1);
    parts.push(trailed);
    written += trailed.length;
    return handle;
  };
  const index: [Uint8Array, Uint8Array][] = [];
  const keyed = entries.map(([key, value]) => [Buffer.from(key, "utf8"), value] as const);
  for (let start = 0; start < keyed.length; ) {
    const builder = new BlockBuilder(RESTART_INTERVAL);
    let next = start;
    while (next < keyed.length && builder.size < BLOCK_BYTES) builder.add(...keyed[next++]!);
    const last = keyed[next - 1]![0];
    const separator = next < keyed.length ? shortestBetween(last, keyed[next]![0]) : shortestAfter(last);
    index.push([separator, append(builder.finish())]);
    start = next;
  }
  const metaHandle = append(new BlockBuilder(RESTART_INTERVAL).finish());
  const indexBuilder = new BlockBuilder(1);
  for (const [key, handle] of index) indexBuilder.add(key, handle);
  const indexHandle = append(indexBuilder.finish());
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.set([...metaHandle, ...indexHandle]);
  footer.writeBigUInt64LE(MAGIC, 40);
  return Buffer.concat([...parts, footer]);
}

class BlockBuilder {
  readonly #interval: number;
  readonly #bytes: number[] = [];
  readonly #restarts: number[] = [0];
  #sinceRestart = 0;
  #lastKey: Uint8Array = new Uint8Array(0);

  constructor(restartInterval: number) {
    this.#interval = restartInterval;
  }

  /** Bytes the block would have if it ended here. */
  get size(): number {
    return this.#bytes.length + 4 * this.#restarts.length + 4;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    let shared = 0;
    if (this.#sinceRestart < this.#interval) {
      while (shared < Math.min(key.length, this.#lastKey.length) && key[shared] === this.#lastKey[shared]) shared++;
    } else {
      this.#restarts.push(this.#bytes.length);
      this.#sinceRestart = 0;
    }
    const lengths = new BinaryWriter()
      .uint32(shared)
      .uint32(key.length - shared)
      .uint32(value.length)
      .finish();
    this.#bytes.push(...lengths, ...key.subarray(shared), ...value);
    this.#lastKey = key;
    this.#sinceRestart++;
  }

  finish(): Uint8Array {
    const block = Buffer.alloc(this.size);
    block.set(this.#bytes);
    [...this.#restarts, this.#restarts.length].forEach((word, i) => {
      block.writeUInt32LE(word, this.#bytes.length + 4 * i);
    });
    return block;
  }
}

/** A short key at or after `key` and before `limit`, as LevelDB picks separators between blocks. */
function shortestBetween(key: Uint8Array, limit: Uint8Array): Uint8Array {
  let shared = 0;
  while (shared < Math.min(key.length, limit.length) && key[shared] === limit[shared]) shared++;
  const byte = key[shared];
  if (byte === undefined || limit[shared] === undefined || byte >= 0xff || byte + 1 >= limit[shared]!) return key;
  return Uint8Array.of(...key.subarray(0, shared), byte + 1);
}

/** A short key at or after `key`. */
function shortestAfter(key: Uint8Array): Uint8Array {
  const at = key.findIndex((byte) => byte !== 0xff);
  return at === -1 ? key : Uint8Array.of(...key.subarray(0, at), key[at]! + 1);
}
