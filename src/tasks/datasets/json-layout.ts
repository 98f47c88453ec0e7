import { type DataSource, unpackedBytes } from "./data-source.ts";

// Whether a JSON data file is one document, or JSON Lines: programs write both under either name.

/** Lines: an object on every line. Document: one value over the whole file. */
export type JsonLayout = "lines" | "document";

/** Unpacked bytes in which the first line must end for its content to count. */
const BYTES_LOOKED_AT = 1 << 20;

/**
 * Tells by the first line, and by the name where that line tells nothing. A line that is a whole object without a list under `data`
 * is a row, so the file is JSON Lines; one that opens a list, or an object that goes on below, belongs to a document.
 *
 * @throws AlbertError as `unpackedBytes`
 */
export async function jsonLayout(source: DataSource): Promise<JsonLayout> {
  const byName = /\.(jsonl|ndjson)(\.gz)?$/i.test(source.name) ? "lines" : "document";
  const line = await firstLine(source);
  if (line === undefined) return byName;
  if (line.startsWith("[")) return "document";
  if (line === "{") return "document";
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return byName;
    return Array.isArray((value as { data?: unknown }).data) ? "document" : "lines";
  } catch {
    return byName;
  }
}

/** The first line with anything on it, trimmed; undefined where it does not end soon. */
async function firstLine(source: DataSource): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let isWhole = true;
  for await (const chunk of unpackedBytes(source)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= BYTES_LOOKED_AT) {
      isWhole = false;
      break;
    }
  }
  const lines = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .split("\n");
  if (!isWhole) lines.pop();
  return lines.map((line) => line.trim()).find((line) => line !== "");
}
