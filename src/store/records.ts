import { AlbertError, corrupt } from "../errors.ts";
import { crc32c } from "../model/formats/crc32c.ts";

// How the store writes its records: JSON with a checksum, so that damage is found before a record is believed.

/** A value as the bytes of its JSON, in UTF-8. */
export function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** A record as JSON, its last field the CRC-32C of the others. */
export function encodeRecord(record: object): Uint8Array {
  return jsonBytes({ ...record, checksum: checksumOf(record) });
}

/**
 * The record of such bytes. One without a checksum, as earlier releases wrote it, is believed if it is JSON.
 *
 * @param what  the record, for the message
 * @throws AlbertError corrupt (RECORD_CORRUPT)
 */
export function decodeRecord<T extends object>(bytes: Uint8Array, what: string): T {
  let parsed: T & { readonly checksum?: string };
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString()) as T & { readonly checksum?: string };
  } catch (cause) {
    throw corrupt(`${what} is not JSON`, { reason: "RECORD_CORRUPT", cause });
  }
  const { checksum, ...record } = parsed;
  if (checksum !== undefined && checksum !== checksumOf(record)) {
    throw corrupt(`${what} is damaged: its checksum is not that of its contents`, { reason: "RECORD_CORRUPT" });
  }
  return record as unknown as T; // `encodeRecord` wrote it
}

/** Whether an error reports a damaged record. */
export function isDamagedRecord(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "RECORD_CORRUPT";
}

function checksumOf(record: object): string {
  return crc32c(jsonBytes(record)).toString(16).padStart(8, "0");
}
