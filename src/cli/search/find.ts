import type { Command } from "commander";
import { type CitedPassage, citedPassage } from "../../search/answers/ask.ts";
import { wholeNumber } from "../number-flags.ts";
import { addIndexServerOptions, findThere, type IndexServerFlags, refuseOtherPlace } from "./index-server.ts";
import { openIndex } from "./open-index.ts";
import { addRunOptions } from "./run-options.ts";
import type { RunFlags } from "./search-models.ts";

interface FindFlags extends RunFlags, IndexServerFlags {
  readonly topK: number;
  readonly model?: string;
  readonly json?: true;
}

/** Adds `albert search find`: the passages that are nearest to a query in meaning. */
export function registerFind(search: Command): void {
  const command = search
    .command("find")
    .description("find the passages of an index that are nearest to a query in meaning")
    .argument("<index>", "file of an index, or with --server its name there")
    .argument("<query>")
    .option("--top-k <n>", "passages at most", wholeNumber(1, 100), 5)
    .option("--model <directory>", "the encoder that made the index, where it is not found by itself")
    .option("--json", "print JSON");
  addIndexServerOptions(addRunOptions(command)).action(async (index: string, query: string, flags: FindFlags) => {
    refuseOtherPlace(command);
    const find = flags.server === undefined ? findHere : findThere;
    const passages = await find(flags, index, query, flags.topK);
    process.stdout.write(flags.json ? `${JSON.stringify({ passages }, null, 2)}\n` : printed(passages));
  });
}

async function findHere(flags: FindFlags, path: string, query: string, topK: number): Promise<CitedPassage[]> {
  const index = await openIndex(path, flags.model, flags);
  try {
    const found = await index.find(query, topK);
    return found.map((passage) => citedPassage(passage, "utf-16"));
  } finally {
    await index.close();
  }
}

function printed(passages: readonly CitedPassage[]): string {
  const blocks = passages.map(({ similarity, file, start, end, text }) => {
    const lines = text.split("\n").map((line) => `       ${line}`.trimEnd());
    return `${similarity.toFixed(3)}  ${file} ${start}-${end}\n${lines.join("\n")}\n`;
  });
  return blocks.join("\n");
}
