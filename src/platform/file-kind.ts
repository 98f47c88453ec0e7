// What a file really is, by its first bytes, where that is not what its name or place promises.

/** A kind of file that is often handed in by mistake. */
export interface FileKind {
  /** Such as "a Parquet file". */
  readonly what: string;
  /** What to do with it. */
  readonly advice: string;
}

/** Bytes of a file's beginning that are enough to know its kind. */
export const KIND_BYTES = 64;

const ROWS = "write its rows as CSV or JSON Lines";
const UNPACK = "unpack it, or pack it as gzip";

const BY_BEGINNING: readonly (readonly [RegExp | string, FileKind])[] = [
  [/^version https:\/\/git-lfs/, { what: "a pointer of Git LFS", advice: "fetch the file itself: git lfs pull" }],
  [/^\s*<!doctype/i, { what: "a web page", advice: "download the file itself; the page may ask to sign in" }],
  [/^\s*<html/i, { what: "a web page", advice: "download the file itself; the page may ask to sign in" }],
  [/^\s*<\?xml/i, { what: "XML", advice: "download or export the file itself" }],
  [
    /^PAR1/,
    {
      what: "a Parquet file",
      advice: `${ROWS} (pandas: read_parquet(...).to_json(..., orient="records", lines=True))`,
    },
  ],
  [/^ARROW1/, { what: "an Arrow file", advice: ROWS }],
  [
    "PK\x03\x04",
    {
      what: "a zip archive (as Excel and torch.save write)",
      advice: "unpack it; save a table as CSV UTF-8, and weights as model.safetensors",
    },
  ],
  ["\xd0\xcf\x11\xe0", { what: "an old Office document", advice: "save it as CSV UTF-8" }],
  [/^%PDF-/, { what: "a PDF document", advice: "extract its text" }],
  [/^SQLite format 3/, { what: "an SQLite database", advice: ROWS }],
  [
    /^\x89HDF\r\n/,
    {
      what: "an HDF5 file (as Keras writes)",
      advice: "save the weights as model.safetensors, and rows as CSV or JSON Lines",
    },
  ],
  [/^BZh[1-9]1AY/, { what: "packed with bzip2", advice: UNPACK }],
  ["\x28\xb5\x2f\xfd", { what: "packed with zstd", advice: UNPACK }],
  [/^\xfd7zXZ/, { what: "packed with xz", advice: UNPACK }],
  [/^7z\xbc\xaf/, { what: "a 7-Zip archive", advice: UNPACK }],
  ["Rar!\x1a", { what: "a RAR archive", advice: UNPACK }],
];

/** The kind of a file that begins so; undefined for what may be text, gzip, tar or anything else. */
export function fileKindOf(head: Uint8Array): FileKind | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, KIND_BYTES)).toString("latin1");
  const found = BY_BEGINNING.find(([beginning]) =>
    typeof beginning === "string" ? text.startsWith(beginning) : beginning.test(text),
  );
  if (found !== undefined) return found[1];
  if (!isUtf16(head)) return undefined;
  return { what: "text in UTF-16", advice: "save it as UTF-8 (iconv -f UTF-16 -t UTF-8 FILE > NEW)" };
}

/** The encoding of a text that begins with a byte order mark of UTF-16. */
export function utf16Of([first, second]: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : undefined;
}

/** Whether every second byte at the beginning is 0, and no other, as in Latin letters of UTF-16. */
function isUtf16(head: Uint8Array): boolean {
  if (head.length < 16) return false;
  const zeros = (from: number) => Array.from({ length: 8 }, (_, i) => head[from + 2 * i]).filter((byte) => byte === 0);
  const [even, odd] = [zeros(0).length, zeros(1).length];
  return (even === 8 && odd === 0) || (even === 0 && odd === 8);
}
