import { corrupt } from "../../errors.ts";
import { maskedCrc32c } from "./crc32c.ts";

// Reads and writes the frames of TFRecord files. It does not look into the records.

/** Bytes around each record's data: length, its checksum, and the data's checksum. */
const FRAME_BYTES = 16;

/** One TFRecord frame: uint64 length, masked CRC-32C of the length, data, masked CRC-32C of the data; little-endian. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(data.length + FRAME_BYTES);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc32c(framed.subarray(0, 8)), 8);
  framed.set(data, 12);
  framed.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return framed;
}

/**
 * The records of a TFRecord file, read in whatever pieces it arrives. Only one record (and the piece it ends in) is held
 * at a time.
 *
 * @throws AlbertError corrupt, naming the record and the byte offset, for a wrong checksum or a cut-off file
 */
export async function* readRecords(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  let offset = 0;
  let record = 0;
  const broken = (problem: string) => corrupt(`TFRecord file: record ${record} at byte ${offset} ${problem}`);
  for await (const piece of file) {
    pending = pending.length === 0 ? Buffer.from(piece) : Buffer.concat([pending, piece]);
    let at = 0;
    while (pending.length - at >= 12) {
      const header = pending.subarray(at, at + 8);
      if (maskedCrc32c(header) !== pending.readUInt32LE(at + 8)) throw broken("has a wrong length checksum");
      const length = Number(header.readBigUInt64LE());
      if (pending.length - at < length + FRAME_BYTES) break;
      const data = pending.subarray(at + 12, at + 12 + length);
      if (maskedCrc32c(data) !== pending.readUInt32LE(at + 12 + length)) throw broken("has a wrong data checksum");
      yield data;
      at += length + FRAME_BYTES;
      offset += length + FRAME_BYTES;
      record++;
    }
    pending = pending.subarray(at);
  }
  if (pending.length > 0) throw broken("is cut off");
}
