import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError } from "../errors.ts";
import { isSystemFault } from "./disk-space.ts";
import { fileKindOf } from "./file-kind.ts";

// Reads JSON files, with errors that name the file.

/**
 * Reads a JSON file that holds one object.
 *
 * @throws AlbertError not-found when it cannot be read; invalid-input when it is not one JSON object
 */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const json = await readJsonValue(path);
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new AlbertError("invalid-input", `${basename(path)} is not a JSON object`, { reason: "JSON_INVALID" });
}

/**
 * Reads a JSON file that holds any value; a byte order mark before it is dropped.
 *
 * @throws AlbertError not-found when it cannot be read; invalid-input when it is not JSON
 */
export async function readJsonValue(path: string): Promise<unknown> {
  const name = basename(path);
  const bytes = await readFile(path).catch((cause: unknown) => {
    if (isSystemFault(cause)) throw cause;
    throw new AlbertError("not-found", `${name} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
  try {
    return JSON.parse(bytes.toString("utf8").replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new AlbertError("invalid-input", `${name} is not JSON: ${whyNot(bytes, cause)}`, {
      reason: "JSON_INVALID",
      cause,
    });
  }
}

/** What a file holds instead of JSON, or where it stops being JSON. */
function whyNot(bytes: Buffer, cause: unknown): string {
  if (bytes.length === 0) return "it is empty";
  const kind = fileKindOf(bytes);
  if (kind !== undefined) return `it is ${kind.what}; ${kind.advice}`;
  return cause instanceof Error ? cause.message : String(cause);
}
