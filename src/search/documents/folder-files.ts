import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { notReadable } from "../../tasks/datasets/data-source.ts";
import { documentKind, READ_ENDINGS } from "./read-document.ts";

// Which files of a folder are indexed. It reads names only.

/** Files of a folder, by what becomes of them. Paths are relative to it, with slashes, in the order of their characters. */
export interface FolderFiles {
  readonly read: readonly string[];
  /** Files of kinds that are not read, such as images and PDFs. */
  readonly others: readonly string[];
}

/**
 * Lists the files of a folder and of all folders in it. What begins with a dot is passed over, and symbolic links are not
 * followed.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (NO_EXAMPLES) for a folder without a file that is read
 */
export async function folderFiles(folder: string): Promise<FolderFiles> {
  const info = await stat(folder).catch((cause: unknown) => {
    throw notReadable(folder, cause);
  });
  if (!info.isDirectory()) {
    const message = `${folder} is a file, and a folder of files is expected: name the folder that it lies in`;
    throw new AlbertError("not-found", message, { reason: "FILE_NOT_READABLE" });
  }
  const found: string[] = [];
  const walk = async (below: string) => {
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch((cause: unknown) => {
      throw notReadable(join(folder, below), cause);
    });
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  await walk("");
  found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const read = found.filter((path) => documentKind(path) !== undefined);
  const others = found.filter((path) => documentKind(path) === undefined);
  if (read.length === 0) {
    const pdfs = others.some((path) => /\.pdf$/i.test(path))
      ? " PDFs are converted first, for example by pdftotext."
      : "";
    const message = `${folder} has no file that is read: expected names that end in ${READ_ENDINGS.join(", ")}; it has ${others.length} others.${pdfs}`;
    throw new AlbertError("invalid-input", message, { reason: "NO_EXAMPLES" });
  }
  return { read, others };
}
