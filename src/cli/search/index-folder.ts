import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { type BuiltIndex, buildIndex } from "../../search/index/build-index.ts";
import type { IndexEncoder } from "../../search/index/index-contents.ts";
import { readIndexFile, type StoredIndex, writeIndexFile } from "../../search/index/index-file.ts";
import { wholeNumber } from "../number-flags.ts";
import { durationText } from "../training/training-progress.ts";
import { WorkProgress } from "../work-progress.ts";
import { addRunOptions } from "./run-options.ts";
import { hintOf, openEncoder, type RunFlags } from "./search-models.ts";

interface IndexFlags extends RunFlags {
  readonly output: string;
  readonly model?: string;
  readonly pooling?: IndexEncoder["pooling"];
  readonly passageTokens?: number;
  readonly json?: true;
}

/** Passages of about a hundred words: what sentence encoders were trained on, and an answer with its surroundings. */
const USUAL_PASSAGE_TOKENS = 128;

/** Adds `albert search index`: makes or renews the index of a folder. */
export function registerIndex(search: Command): void {
  const command = search
    .command("index")
    .description(
      "index the texts, Markdown and HTML of a folder; of an index that is there, unchanged files are taken over",
    )
    .argument("<folder>", "folder whose files are indexed, with all folders in it")
    .requiredOption("--output <file>", "the index; replaced as a whole when the new one is complete")
    .option("--model <directory>", "sentence encoder (default: the one that comes with the program)")
    .addOption(
      new Option("--pooling <kind>", "how a text becomes a vector, where the model does not say").choices([
        "mean",
        "cls",
      ]),
    )
    .option(
      "--passage-tokens <n>",
      "longest passage, in tokens (default: 128, at most what the encoder reads)",
      wholeNumber(8, 4096),
    )
    .option("--json", "print JSON");
  addRunOptions(command).action(indexFolder);
}

async function indexFolder(folder: string, flags: IndexFlags): Promise<void> {
  const { output } = flags;
  const startedAt = performance.now();
  const previous = existsSync(output) ? await readIndexFile(output) : undefined;
  const encoder = await openEncoder(flags.model, flags.pooling, flags);
  const progress = new WorkProgress(process.stderr, "files");
  try {
    const built = await buildIndex({
      ...{ folder, encoder },
      rule: { version: 1, maxTokens: passageTokens(flags.passageTokens, encoder.maxTokens) },
      ...(previous === undefined ? {} : { previous }),
      onProgress: ({ files, totalFiles, passages }) => progress.show(files, totalFiles, `${passages} passages`),
    });
    const contents = { ...built.contents, encoder: { ...encoder.about, directory: hintOf(output, encoder.directory) } };
    const digest = await writeIndexFile(output, contents);
    progress.close();
    report({ digest, built, previous, seconds: (performance.now() - startedAt) / 1000 }, flags);
  } finally {
    progress.close();
    await encoder.close();
  }
}

function passageTokens(wanted: number | undefined, most: number): number {
  if (wanted !== undefined && wanted > most) {
    throw invalidInput([
      { field: "--passage-tokens", description: `the encoder reads at most ${most} tokens, got ${wanted}` },
    ]);
  }
  return wanted ?? Math.min(USUAL_PASSAGE_TOKENS, most);
}

interface Outcome {
  readonly digest: string;
  readonly built: BuiltIndex;
  readonly previous: StoredIndex | undefined;
  readonly seconds: number;
}

function report({ digest, built, previous, seconds }: Outcome, { output, json }: IndexFlags): void {
  const { contents, unchanged, removed, skipped, others } = built;
  const files = contents.files.length;
  const passages = contents.vectors.scales.length;
  for (const { path, why } of skipped) process.stderr.write(`skipped: ${path}: ${why.replace(`${path}:`, "")}\n`);
  const pdfs = others.filter((path) => /\.pdf$/i.test(path)).length;
  if (pdfs > 0) {
    process.stderr.write(`not read: ${pdfs} PDFs; convert them first, for example by pdftotext FILE.pdf FILE.txt\n`);
  }
  if (json) {
    const { encoder } = contents;
    const facts = {
      index: output,
      digest,
      encoder,
      files,
      passages,
      unchanged,
      removed,
      skipped,
      notRead: others,
      seconds,
    };
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
    return;
  }
  const lines = [
    `${files.toLocaleString("en")} files, ${passages.toLocaleString("en")} passages in ${durationText(seconds)}`,
    ...(previous === undefined ? [] : [`  ${unchanged} unchanged files taken over, ${removed} gone`]),
    ...(others.length === 0 ? [] : [`  ${others.length} files of other kinds not read`]),
    output,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
