import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { readVocabulary } from "../../model/directory/vocabulary.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import type { SingleSentence } from "../../pretraining/corpus/segments.ts";
import type { TextReport } from "../../pretraining/corpus/text-documents.ts";
import { buildTokenStore } from "../../pretraining/corpus/token-store-writer.ts";
import { PRETRAINING } from "../../pretraining/hyperparameters.ts";
import { DEFAULT_INSTANCE_OPTIONS, type InstanceOptions } from "../../pretraining/instances/instance.ts";
import { checkInstanceOptions } from "../../pretraining/instances/instance-options.ts";
import { writeInstanceRecords, writeOfficialRecords } from "../../pretraining/records/instance-records.ts";
import type { RecordReport } from "../../pretraining/records/record-writer.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { integer, type NumberType } from "../../training/settings/value-type.ts";
import { numberFlag } from "../number-flags.ts";
import { saidToWait } from "../work-progress.ts";

interface Flags {
  readonly input: readonly string[];
  readonly vocab: string;
  readonly store?: string;
  readonly output?: readonly string[];
  readonly cased?: true;
  readonly dupeFactor: number;
  readonly seed: number;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  readonly maskedLmProb: number;
  readonly shortSeqProb: number;
  readonly ngram: number;
  readonly favorLongerNgram?: true;
  readonly wholeWordMask: boolean;
  readonly permutation?: true;
  readonly randomNextSentence?: true;
  readonly singleSentence: SingleSentence;
  readonly officialQuirks?: true;
  readonly json?: true;
}

const DUPE_FACTOR = { type: integer(1, 100_000) };

/** Adds `albert pretraining-data`: text to a token store for `albert pretrain`, or to TFRecords in the official layout. */
export function registerPretrainingData(program: Command): void {
  const defaults = DEFAULT_INSTANCE_OPTIONS;
  const numeric = (
    flags: string,
    description: string,
    value: number,
    { type }: { readonly type: NumberType },
  ): Option => new Option(flags, description).default(value).argParser(numberFlag(type));
  program
    .command("pretraining-data")
    .description("turn text into data to pretrain on")
    .requiredOption(
      "--input <files...>",
      "text, plain or gzipped: one sentence per line, a blank line between documents",
    )
    .requiredOption("--vocab <file>", "SentencePiece .model, WordPiece .txt or tokenizer.json")
    .option("--store <dir>", "keep the tokenised text here; masks are drawn while training")
    .option("--output <files...>", "write instances as TFRecords, to these files in turn")
    .option("--cased", "do not lower-case text")
    .addOption(
      numeric("--dupe-factor <n>", "how often the text is turned into differently masked instances", 10, DUPE_FACTOR),
    )
    .addOption(numeric("--seed <n>", "decides every random choice", 12345, PRETRAINING.seed))
    .addOption(
      numeric("--max-seq-length <n>", "tokens of an instance", defaults.maxSequenceLength, PRETRAINING.maxSeqLength),
    )
    .addOption(
      numeric(
        "--max-predictions-per-seq <n>",
        "most predictions",
        defaults.maxPredictionsPerSequence,
        PRETRAINING.maxPredictionsPerSeq,
      ),
    )
    .addOption(
      numeric(
        "--masked-lm-prob <share>",
        "share of tokens to predict",
        defaults.maskedLmProb,
        PRETRAINING.maskedLmProb,
      ),
    )
    .addOption(
      numeric(
        "--short-seq-prob <share>",
        "share of documents cut to a shorter length",
        defaults.shortSequenceProb,
        PRETRAINING.shortSeqProb,
      ),
    )
    .addOption(
      numeric("--ngram <n>", "longest run of words that is masked together", defaults.ngram, PRETRAINING.ngram),
    )
    .option("--favor-longer-ngram", "prefer long runs of words to short ones")
    .option("--no-whole-word-mask", "mask pieces, not whole words")
    .option("--permutation", "also let tokens change places, to be predicted too")
    .option("--random-next-sentence", "negatives are segments of other documents (BERT), not swapped pairs")
    .addOption(
      new Option("--single-sentence <rule>", "what becomes of a chunk with one sentence")
        .choices(["random-next", "split", "drop"])
        .default(defaults.singleSentence),
    )
    .option(
      "--official-quirks",
      "exactly what the official script makes of this seed, flaws included; needs memory for all",
    )
    .option("--json", "print JSON")
    .action(makeData);
}

async function makeData(flags: Flags): Promise<void> {
  if (flags.store === undefined && flags.output === undefined) {
    throw invalidInput([{ field: "output", description: "say what to make: --output FILES, --store DIR or both" }]);
  }
  const tokenizer = loadTokenizer(await readVocabulary(flags.vocab, flags.cased ? { lowerCase: false } : {}));
  const options = optionsOf(flags, tokenizer);
  checkInstanceOptions(options);
  const made =
    flags.officialQuirks && flags.output !== undefined
      ? officialRecords(flags, flags.output, tokenizer, options)
      : streamedRecords(flags, tokenizer, options);
  const { text, records } = await saidToWait("texts are cut and masked", made);
  if (flags.json) process.stdout.write(`${JSON.stringify({ text, records }, undefined, 2)}\n`);
  else process.stdout.write(describe(text, records));
}

interface Made {
  readonly text: TextReport;
  readonly records?: RecordReport;
}

async function streamedRecords(flags: Flags, tokenizer: Tokenizer, options: InstanceOptions): Promise<Made> {
  const temporary = flags.store === undefined ? await makeTemporaryDirectory("tokens") : undefined;
  const directory = flags.store ?? join(temporary!, "store");
  try {
    const officialQuirks = flags.officialQuirks ?? false;
    const text = await buildTokenStore(directory, { files: flags.input, tokenizer, officialQuirks });
    if (flags.output === undefined) return { text };
    const { dupeFactor, seed, output } = flags;
    return { text, records: await writeInstanceRecords(directory, { options, dupeFactor, seed, output }) };
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
}

/** The official script's own instances. */
async function officialRecords(
  flags: Flags,
  output: readonly string[],
  tokenizer: Tokenizer,
  options: InstanceOptions,
): Promise<Made> {
  if (flags.store !== undefined) {
    throw invalidInput([
      { field: "store", description: "--official-quirks with --output works in memory; leave one out" },
    ]);
  }
  const { input, dupeFactor, seed } = flags;
  return writeOfficialRecords(input, tokenizer, { options, dupeFactor, seed, output });
}

function optionsOf(flags: Flags, { vocabSize, special }: Tokenizer): InstanceOptions {
  return {
    maxSequenceLength: flags.maxSeqLength,
    shortSequenceProb: flags.shortSeqProb,
    randomNextSentence: flags.randomNextSentence ?? false,
    singleSentence: flags.singleSentence,
    maskedLmProb: flags.maskedLmProb,
    maxPredictionsPerSequence: flags.maxPredictionsPerSeq,
    ngram: flags.ngram,
    favorShorterNgram: !flags.favorLongerNgram,
    wholeWordMask: flags.wholeWordMask,
    permutation: flags.permutation ?? false,
    officialQuirks: flags.officialQuirks ?? false,
    vocabSize,
    special,
  };
}

function describe(text: TextReport, records: RecordReport | undefined): string {
  const count = (value: number): string => value.toLocaleString("en-US");
  const lines = [
    `text     ${count(text.documents)} documents, ${count(text.sentences)} sentences, ${count(text.tokens)} tokens`,
  ];
  if (text.oneSentenceDocuments > 0)
    lines.push(`         ${count(text.oneSentenceDocuments)} documents of one sentence`);
  if (text.invalidUtf8Lines > 0) lines.push(`         ${count(text.invalidUtf8Lines)} lines were not UTF-8`);
  if (text.cutLines > 0) lines.push(`         ${count(text.cutLines)} cuts in very long lines`);
  if (records !== undefined) {
    const negative = ((100 * records.swappedOrRandom) / records.instances).toFixed(1);
    lines.push(
      `records  ${count(records.instances)} instances, ${count(records.predictions)} predictions, ${negative} % label 1`,
    );
  }
  return `${lines.join("\n")}\n`;
}
