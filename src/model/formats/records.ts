import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { crc32c } from "./crc32c.ts";

// Records: JSON objects with a checksum, so that damage is found before a record is believed.

/** A record as JSON, its last field the CRC-32C of the others. */
export function encodeRecord(record: object): Uint8Array {
  return Buffer.from(JSON.stringify({ ...record, checksum: checksumOf(record) }));
}

/**
 * The record of such bytes. One without a checksum, as earlier releases wrote it, is believed if it is JSON.
 *
 * @param what  the record, for the message
 * @param known  the latest form that the caller reads; a record that names none has form 1
 * @throws AlbertError corrupt (RECORD_CORRUPT); precondition (STORE_TOO_NEW) for a record of a later form
 */
export function decodeRecord<T extends object>(bytes: Uint8Array, what: string, known = 1): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw corrupt(`${what} is not JSON`, { reason: "RECORD_CORRUPT", cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw corrupt(`${what} is not a JSON object`, { reason: "RECORD_CORRUPT" });
  }
  const { checksum, ...record } = parsed as { readonly checksum?: unknown };
  if (checksum !== undefined && checksum !== checksumOf(record)) {
    throw corrupt(`${what} is damaged: its checksum is not that of its contents`, { reason: "RECORD_CORRUPT" });
  }
  const { form = 1 } = record as { readonly form?: unknown };
  if (typeof form === "number" && form > known) throw tooNew(what, form, known);
  return record as unknown as T; // `encodeRecord` wrote it
}

/** The record of a file that can be made again; undefined where there is none, or it is damaged. */
export async function readRecordFile<T extends object>(path: string): Promise<T | undefined> {
  try {
    return decodeRecord<T>(await readFile(path), basename(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" && !isDamagedRecord(error)) throw error;
    return undefined;
  }
}

/** A record that a later release wrote, in a form of its own. */
function tooNew(what: string, form: number, known: number): AlbertError {
  const message = `${what} has form ${form}, this release reads up to form ${known}: run the release that wrote it`;
  return new AlbertError("precondition", message, {
    reason: "STORE_TOO_NEW",
    metadata: { form: String(form), known: String(known) },
  });
}

/** Whether an error reports a record of a form that only a later release reads. */
export function isTooNewRecord(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "STORE_TOO_NEW";
}

/** Whether an error reports a damaged record. */
export function isDamagedRecord(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "RECORD_CORRUPT";
}

function checksumOf(record: object): string {
  return crc32c(Buffer.from(JSON.stringify(record)))
    .toString(16)
    .padStart(8, "0");
}
