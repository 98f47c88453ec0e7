import { corrupt } from "../../errors.ts";
import { WHITESPACE } from "../unicode.ts";

/**
 * Reads a `vocab.txt` as the official loader does: the first white-space-separated column of each line is a piece, a blank
 * line is the piece " ", a repeated piece keeps its first id. Ids count distinct pieces, so they are not line numbers after
 * a repetition.
 *
 * @throws AlbertError corrupt for bytes that are not UTF-8 or hold no piece
 */
export function readWordPieceVocabulary(bytes: Uint8Array): ReadonlyMap<string, number> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw corrupt("vocab.txt: expected UTF-8 text with one piece per line", { cause });
  }
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const ids = new Map<string, number>();
  for (const line of lines) {
    const piece = firstColumn(line);
    if (!ids.has(piece)) ids.set(piece, ids.size);
  }
  if (ids.size === 0) throw corrupt("vocab.txt: the file is empty; expected one piece per line");
  return ids;
}

function firstColumn(line: string): string {
  let start = 0;
  while (start < line.length && WHITESPACE.has(line.charCodeAt(start))) start++;
  let end = start;
  while (end < line.length && !WHITESPACE.has(line.charCodeAt(end))) end++;
  return start === end ? " " : line.slice(start, end);
}
