import { parse } from "node:path";

// Entries of `search.indexes`. It reads no file.

/** A search index to answer from. */
export interface IndexFile {
  readonly name: string;
  readonly file: string;
}

/** The index that an entry of `search.indexes` means: `name=file`, or a file, which is called as it is without its ending. */
export function indexFile(entry: string): IndexFile {
  const separator = entry.indexOf("=");
  if (separator >= 0) return { name: entry.slice(0, separator), file: entry.slice(separator + 1) };
  return { name: parse(entry).name, file: entry };
}
