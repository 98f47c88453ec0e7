import { AlbertError } from "../../errors.ts";

// How much of a data file may have to be held at once. A file that would need more is refused before it is read
// further.

/** Bytes of one line, of one record of several lines, and of one line's JSON. */
export const MAX_LINE_BYTES = 16 * 2 ** 20;

/** Bytes of a document that must be read as a whole: a JSON file, or one file of articles. */
export const MAX_TEXT_BYTES = 128 * 2 ** 20;

/** Bytes of all RACE articles that are held together. */
export const MAX_ARTICLES_BYTES = 256 * 2 ** 20;

/** Brackets in brackets of JSON. No layout that is read here has more than eight. */
export const MAX_JSON_DEPTH = 64;

/** Text shrinks to a third or a tenth, generated rows to a fiftieth; a bomb to a thousandth. */
export const MAX_UNPACKING_RATIO = 200;

/** Unpacked bytes from which the ratio is looked at. */
export const UNPACKED_BYTES_AT_ONCE = 32 * 2 ** 20;

/** Something larger than may be held. `what` says what was found, `advice` what to do. */
export function tooLarge(where: string, what: string, limit: number, advice: string): AlbertError {
  return new AlbertError("invalid-input", `${where}: ${what}: ${advice}`, {
    reason: "DATA_TOO_LARGE",
    metadata: { limit: String(limit) },
  });
}
