import type { Command } from "commander";
import {
  DEFAULT_PASSAGES,
  type IndexAnswer,
  indexAnswer,
  MAX_PASSAGES,
  readingRequest,
} from "../../search/answers/ask.ts";
import { planReadPassages } from "../../tasks/question-answering/read-passages.ts";
import { wholeNumber } from "../number-flags.ts";
import { percent } from "../percent.ts";
import { addIndexServerOptions, askThere, type IndexServerFlags, refuseOtherPlace } from "./index-server.ts";
import { openIndex } from "./open-index.ts";
import { addRunOptions } from "./run-options.ts";
import { openReader, type RunFlags } from "./search-models.ts";

interface AskFlags extends RunFlags, IndexServerFlags {
  readonly topK: number;
  readonly best: number;
  readonly reader?: string;
  readonly model?: string;
  readonly servedModel?: string;
  readonly json?: true;
}

/** Adds `albert search ask`: the answer to a question, found in the files of an index. */
export function registerAskIndex(search: Command): void {
  const command = search
    .command("ask")
    .description("answer a question from the files of an index, with file and place")
    .argument("<index>", "file of an index, or with --server its name there")
    .argument("<question>")
    .option("--reader <directory>", "question-answering model (default: the one that comes with the program)")
    .option("--top-k <n>", "passages that are read", wholeNumber(1, MAX_PASSAGES), DEFAULT_PASSAGES)
    .option("--best <n>", "print at most this many answers; a server gives at most 20", wholeNumber(1, 100), 1)
    .option("--model <directory>", "the encoder that made the index, where it is not found by itself")
    .option("--served-model <name>", "with --server: which of its models reads")
    .option("--json", "print JSON, with the passages that were read");
  addIndexServerOptions(addRunOptions(command)).action(async (index: string, question: string, flags: AskFlags) => {
    refuseOtherPlace(command);
    const answer =
      flags.server === undefined
        ? await askHere(index, question, flags)
        : await askThere(flags, { ...flags, index, question });
    process.stdout.write(flags.json ? `${JSON.stringify(answer, null, 2)}\n` : `${printed(answer)}\n`);
  });
}

async function askHere(path: string, question: string, flags: AskFlags): Promise<IndexAnswer> {
  const { topK, best } = flags;
  const index = await openIndex(path, flags.model, flags);
  try {
    const reader = await openReader(flags.reader, flags);
    try {
      const passages = await index.find(question, topK);
      const plan = planReadPassages(readingRequest({ question, passages, best }), reader.model);
      const { outputs } = await reader.engine.run(plan.sequences);
      return indexAnswer(plan.answer(outputs), { passages, best, unit: "utf-16" });
    } finally {
      await reader.close();
    }
  } finally {
    await index.close();
  }
}

/** Characters of a passage that are shown on either side of the answer. */
const AROUND = 80;

function printed({ answers, answerable, passages }: IndexAnswer): string {
  const found = answers.map(({ probability, text, file, start, end, passage }) => {
    const { text: whole, start: from } = passages[passage]!;
    const before = whole.slice(Math.max(0, start - from - AROUND), start - from);
    const after = whole.slice(end - from, end - from + AROUND);
    const around = `${before}[${text}]${after}`.replaceAll(/\s+/g, " ").trim();
    return `${percent(probability)}  ${text.replaceAll(/\s+/g, " ")}\n         ${file} ${start}-${end}\n         ... ${around} ...`;
  });
  if (found.length === 0) return "no answer was found in the passages";
  const verdict = answerable ? [] : ["the files do not seem to hold the answer; best guesses:"];
  return [...verdict, ...found].join("\n");
}
