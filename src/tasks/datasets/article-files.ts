import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { extract } from "tar-stream";
import { type DataSource, dataError, decodedText, fileSource, memorySource, unpackedBytes } from "./data-source.ts";
import type { ArticleFile } from "./race.ts";

/** Every text file below a folder, folders and files in natural order ("2.txt" before "10.txt"). */
export async function* folderArticles(directory: string, below = ""): AsyncGenerator<ArticleFile> {
  const entries = await readdir(join(directory, below), { withFileTypes: true });
  entries.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  for (const entry of entries) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* folderArticles(directory, path);
    else if (entry.isFile() && /\.txt(\.gz)?$/.test(entry.name)) {
      yield { path: path.replace(/\.gz$/, ""), ...(await decodedText(fileSource(join(directory, path), path))) };
    }
  }
}

/**
 * Every text file of a tar archive, plain or gzip, in the order of the archive.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) for a damaged archive
 */
export async function* tarArticles(source: DataSource): AsyncGenerator<ArticleFile> {
  const archive = extract();
  pipeline(Readable.from(unpackedBytes(source), { objectMode: false }), archive, () => {
    // A failure reaches the reader through the archive itself, which the pipeline destroys with it.
  });
  try {
    for await (const entry of archive) {
      if (entry.header.type !== "file") {
        entry.resume();
        continue;
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      const path = entry.header.name.replace(/^\.\//, "");
      yield { path, ...(await decodedText(memorySource(path, Buffer.concat(chunks)))) };
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === "AlbertError") throw cause;
    throw dataError({ file: source.name, line: 1, column: 1 }, "not a tar archive, or a damaged one", cause);
  }
}
