import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { extract } from "tar-stream";
import { AlbertError } from "../../errors.ts";
import { MAX_TEXT_BYTES, tooLarge } from "./data-limits.ts";
import {
  type DataSource,
  dataError,
  decodedText,
  fileSource,
  memorySource,
  notReadable,
  unpackedBytes,
} from "./data-source.ts";
import type { ArticleFile } from "./race.ts";

// The articles of a RACE folder or archive, without what operating systems and version control leave among them.

/** Text files whose path has a hidden part, or the folder in which macOS archives keep resource forks, are no articles. */
function isArticlePath(path: string): boolean {
  const parts = path.split("/");
  return /\.txt(\.gz)?$/.test(path) && !parts.some((part) => part.startsWith(".") || part === "__MACOSX");
}

/** Every text file below a folder, hidden ones left out, folders and files in natural order ("2.txt" before "10.txt"). */
export async function* folderArticles(directory: string, below = ""): AsyncGenerator<ArticleFile> {
  const entries = await readdir(join(directory, below), { withFileTypes: true }).catch((cause: unknown) => {
    throw notReadable(below === "" ? basename(directory) : below, cause);
  });
  entries.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  for (const entry of entries) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory()) yield* folderArticles(directory, path);
    else if (entry.isFile() && isArticlePath(path)) {
      yield { path: path.replace(/\.gz$/, ""), ...(await decodedText(fileSource(join(directory, path), path))) };
    }
  }
}

/**
 * Every text file of a tar archive, plain or gzip, in the order of the archive, hidden ones left out.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) for a damaged archive; invalid-input (DATA_TOO_LARGE) for a file in it that is
 *   larger than may be held
 */
export async function* tarArticles(source: DataSource): AsyncGenerator<ArticleFile> {
  const archive = extract();
  pipeline(Readable.from(unpackedBytes(source), { objectMode: false }), archive, () => {
    // A failure reaches the reader through the archive itself, which the pipeline destroys with it.
  });
  try {
    for await (const entry of archive) {
      const path = entry.header.name.replace(/^\.\//, "");
      if (entry.header.type !== "file" || !isArticlePath(path)) {
        entry.resume();
        continue;
      }
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of entry as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > MAX_TEXT_BYTES) {
          const where = `${source.name}: ${path}`;
          const advice = "no article is that long; see what the archive holds (tar -tvf)";
          throw tooLarge(where, `more than ${MAX_TEXT_BYTES} bytes in one file`, MAX_TEXT_BYTES, advice);
        }
        chunks.push(chunk);
      }
      yield { path: path.replace(/\.gz$/, ""), ...(await decodedText(memorySource(path, Buffer.concat(chunks)))) };
    }
  } catch (cause) {
    if (cause instanceof AlbertError) throw cause;
    throw dataError({ file: source.name, line: 1, column: 1 }, "not a tar archive, or a damaged one", cause);
  } finally {
    archive.destroy();
  }
}
