import type { Command } from "commander";
import { AlbertError } from "../../errors.ts";
import { readIndexFile } from "../../search/index/index-file.ts";
import { SearchIndex } from "../../search/index/search-index.ts";

/** Adds `albert search inspect` and `albert search text`: what an index holds. */
export function registerInspectIndex(search: Command): void {
  search
    .command("inspect")
    .description("verify every byte of an index and say what it holds")
    .argument("<index>")
    .option("--json", "print JSON, with every file")
    .action(async (path: string, { json }: { json?: true }) => {
      const index = new SearchIndex(await readIndexFile(path));
      const { summary, files } = index;
      const text = json ? JSON.stringify({ ...summary, contents: files }, null, 2) : printed(summary);
      process.stdout.write(`${text}\n`);
    });
  search
    .command("text")
    .description("print a file's text as it was read: what the ranges of passages and answers count in")
    .argument("<index>")
    .argument("<file>", "path in the indexed folder")
    .action(async (path: string, file: string) => {
      const text = new SearchIndex(await readIndexFile(path)).textOf(file);
      if (text === undefined) {
        const message = `${path} has no file ${file}: albert search inspect ${path} --json lists its files`;
        throw new AlbertError("not-found", message, { reason: "FILE_NOT_READABLE" });
      }
      process.stdout.write(text);
    });
}

function printed({ digest, encoder, passageTokens, files, passages, textBytes }: SearchIndex["summary"]): string {
  const count = (value: number) => value.toLocaleString("en");
  return [
    `sound       every byte of it has its digest`,
    `digest      ${digest}`,
    `files       ${count(files)}, ${count(textBytes)} bytes of text`,
    `passages    ${count(passages)}, of at most ${passageTokens} tokens`,
    `encoder     ${encoder.name} ${encoder.digest}`,
    `vectors     ${encoder.width} numbers, pooling ${encoder.pooling}`,
  ].join("\n");
}
