import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { copyFile, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AlbertError, invalidInput } from "../../errors.ts";
import { makeDirectory } from "../../platform/directories.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import { availableThreads } from "../../runtime/cpu-quota.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import { preprocessText } from "../../tokenizer/sentencepiece/preprocess.ts";
import { readSentencePieceModel } from "../../tokenizer/sentencepiece/sentencepiece-model.ts";
import { readTextLines } from "../corpus/text-lines.ts";

// Trains a SentencePiece vocabulary with the trainer that is installed on the machine.

/** Symbols that are always pieces of their own in the published English vocabulary. */
export const OFFICIAL_USER_SYMBOLS: readonly string[] = ["(", ")", '"', "-", ".", "\u2013", "\u00a3", "\u20ac"];

const CONTROL_SYMBOLS = ["[CLS]", "[SEP]", "[MASK]"];

export interface VocabularyTraining {
  /** Text files, plain or gzipped, one sentence per line. */
  readonly files: readonly string[];
  /** Pieces in all, special ones included. */
  readonly vocabSize: number;
  /** `PREFIX.model` and `PREFIX.vocab` are written. */
  readonly outputPrefix: string;
  readonly lowerCase: boolean;
  /** Share of all characters that pieces must be able to spell; the rarest rest becomes <unk>. Official: 0.99995. */
  readonly characterCoverage: number;
  readonly userSymbols: readonly string[];
  /** Random lines to train on, where the text has more. Official: 10,000,000. */
  readonly inputSentenceSize: number;
  /** SentencePiece's trainer: a name on the PATH, or a path. */
  readonly spmTrain: string;
  /** Lines of the trainer's own log, as they come. */
  readonly onLog?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** The settings that the published English vocabulary was trained with. */
export const OFFICIAL_VOCABULARY_TRAINING = {
  lowerCase: true,
  characterCoverage: 0.99995,
  userSymbols: OFFICIAL_USER_SYMBOLS,
  inputSentenceSize: 10_000_000,
  spmTrain: "spm_train",
} as const satisfies Partial<VocabularyTraining>;

export interface TrainedVocabulary {
  readonly model: string;
  readonly vocab: string;
  readonly vocabSize: number;
  /** Lines of text that were given to the trainer. */
  readonly lines: number;
}

/**
 * Trains a SentencePiece unigram vocabulary for ALBERT with the official settings: <pad> 0, <unk> 1, [CLS] 2, [SEP] 3,
 * [MASK] 4, then the user symbols. The text is cleaned exactly as it will be for pretraining, and reaches the trainer
 * through a temporary file; memory here does not grow with it.
 *
 * @throws AlbertError precondition when the trainer is not installed, invalid-input when the text cannot fill the
 *   vocabulary, backend when the trainer fails otherwise, cancelled on abort
 */
export async function trainVocabulary(training: VocabularyTraining): Promise<TrainedVocabulary> {
  checkTraining(training);
  const folder = await makeTemporaryDirectory("vocabulary");
  try {
    const text = join(folder, "text.txt");
    const lines = await writeCleanText(training, text);
    if (lines === 0) {
      throw new AlbertError("precondition", "the input holds no text to train a vocabulary on", {
        reason: "TEXT_EMPTY",
      });
    }
    const prefix = join(folder, "trained");
    await runTrainer(training, trainerArguments(training, text, prefix));
    await checkResult(training, `${prefix}.model`);
    const { outputPrefix } = training;
    await makeDirectory(dirname(outputPrefix));
    for (const extension of [".model", ".vocab"]) await copyFile(prefix + extension, outputPrefix + extension);
    return {
      model: `${outputPrefix}.model`,
      vocab: `${outputPrefix}.vocab`,
      vocabSize: training.vocabSize,
      lines,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The trainer's flags, one per array element, so that no shell is involved. Lists are comma-separated values: a quote or
 * comma inside a symbol must be quoted, which the flags as published are not (there, `"` opens a quoted field and
 * swallows the symbols after it).
 */
export function trainerArguments(training: VocabularyTraining, text: string, prefix: string): string[] {
  return [
    `--input=${text}`,
    `--model_prefix=${prefix}`,
    `--vocab_size=${training.vocabSize}`,
    "--pad_id=0",
    "--unk_id=1",
    "--bos_id=-1",
    "--eos_id=-1",
    `--control_symbols=${CONTROL_SYMBOLS.join(",")}`,
    ...(training.userSymbols.length > 0 ? [`--user_defined_symbols=${commaSeparated(training.userSymbols)}`] : []),
    "--shuffle_input_sentence=true",
    `--input_sentence_size=${training.inputSentenceSize}`,
    `--character_coverage=${training.characterCoverage}`,
    "--model_type=unigram",
    `--max_sentence_length=${MAX_SENTENCE_BYTES}`,
    `--num_threads=${availableThreads()}`,
  ];
}

/** Bytes of a line above which the trainer would leave it out; its own default. */
const MAX_SENTENCE_BYTES = 4192;

/** UTF-16 units per line that never exceed {@link MAX_SENTENCE_BYTES} in UTF-8. */
const MAX_SENTENCE_UNITS = Math.floor(MAX_SENTENCE_BYTES / 3);

function checkTraining({ files, vocabSize, characterCoverage, userSymbols }: VocabularyTraining): void {
  const least = 2 + CONTROL_SYMBOLS.length + userSymbols.length + 1;
  const violations = [
    { wrong: files.length === 0, field: "input", description: "name at least one text file" },
    {
      wrong: !Number.isInteger(vocabSize) || vocabSize < least,
      field: "vocab_size",
      description: `expected a whole number of at least ${least}, got ${vocabSize}`,
    },
    {
      wrong: !(characterCoverage > 0.9 && characterCoverage <= 1),
      field: "character_coverage",
      description: `expected more than 0.9 and at most 1, got ${characterCoverage}`,
    },
    { wrong: userSymbols.includes(""), field: "user_symbols", description: "a symbol is empty" },
  ].filter(({ wrong }) => wrong);
  if (violations.length > 0) throw invalidInput(violations.map(({ field, description }) => ({ field, description })));
}

function commaSeparated(values: readonly string[]): string {
  return values.map((value) => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(",");
}

/** @returns the number of lines written; a line too long for the trainer is cut into several, at spaces where it has any */
async function writeCleanText({ files, lowerCase, signal }: VocabularyTraining, path: string): Promise<number> {
  let lines = 0;
  async function* cleaned(): AsyncGenerator<string> {
    for (const file of files) {
      for await (const { text } of readTextLines(file)) {
        signal?.throwIfAborted();
        let rest = preprocessText(text, { lowerCase });
        while (rest.length > MAX_SENTENCE_UNITS) {
          const space = rest.lastIndexOf(" ", MAX_SENTENCE_UNITS);
          const cut = space > 0 ? space : MAX_SENTENCE_UNITS;
          lines++;
          yield `${rest.slice(0, cut)}\n`;
          rest = rest.slice(cut).trimStart();
        }
        if (rest === "") continue;
        lines++;
        yield `${rest}\n`;
      }
    }
  }
  try {
    await pipeline(Readable.from(cleaned()), createWriteStream(path));
  } catch (error) {
    throw signal?.aborted ? cancelled(error) : error;
  }
  return lines;
}

async function runTrainer({ spmTrain, vocabSize, onLog, signal }: VocabularyTraining, args: string[]): Promise<void> {
  const log: string[] = [];
  const { code, error } = await new Promise<{ code?: number | null; error?: NodeJS.ErrnoException }>((resolve) => {
    const child = spawn(spmTrain, args, { stdio: ["ignore", "ignore", "pipe"], ...(signal ? { signal } : {}) });
    let partial = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const parts = (partial + text).split("\n");
      partial = parts.pop() ?? "";
      for (const line of parts) {
        if (log.push(line) > LOG_LINES) log.shift();
        onLog?.(line);
      }
    });
    child.on("error", (failure) => resolve({ error: failure }));
    child.on("close", (status) => resolve({ code: status }));
  });
  if (signal?.aborted) throw cancelled(error);
  if (error?.code === "ENOENT" || error?.code === "EACCES") throw trainerMissing(spmTrain, error);
  if (error === undefined && code === 0) return;
  const text = log.join("\n");
  const most = /too high \(\d+\)\. Please set it to a value <= (\d+)/.exec(text)?.[1];
  if (most !== undefined) {
    throw invalidInput([
      {
        field: "vocab_size",
        description: `this text gives at most ${most} pieces, got ${vocabSize}; ask for fewer or add text`,
      },
    ]);
  }
  const least = /too small|smaller than required_chars|vocab_size\(\) > |required_chars/.exec(text);
  if (least !== null) {
    throw invalidInput([
      {
        field: "vocab_size",
        description: `${vocabSize} pieces cannot spell this text; ask for more, or lower character_coverage`,
      },
    ]);
  }
  throw new AlbertError("backend", `spm_train failed (exit status ${code}): ${log.slice(-3).join(" ").trim()}`, {
    reason: "SPM_TRAIN_FAILED",
    cause: error,
  });
}

/** Looks whether the trainer can be started. @throws AlbertError precondition (SPM_TRAIN_MISSING) */
export async function requireTrainer(spmTrain: string): Promise<void> {
  const child = spawn(spmTrain, ["--version"], { stdio: "ignore" });
  const failed = await new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve);
    child.once("close", () => resolve(undefined));
  });
  if (failed !== undefined) throw trainerMissing(spmTrain, failed);
}

function trainerMissing(spmTrain: string, cause: Error): AlbertError {
  const where = spmTrain === OFFICIAL_VOCABULARY_TRAINING.spmTrain ? "on the PATH" : `at ${spmTrain}`;
  return new AlbertError(
    "precondition",
    `SentencePiece's trainer spm_train was not found ${where}; install it (Debian, Ubuntu: apt-get install sentencepiece; macOS: ` +
      "brew install sentencepiece), which albert vocab train also finds elsewhere with --spm-train PATH",
    { reason: "SPM_TRAIN_MISSING", cause },
  );
}

/** Lines of the trainer's log kept for an error message. */
const LOG_LINES = 50;

/** The file must be usable as it is, with every special piece where it belongs. */
async function checkResult({ lowerCase, userSymbols }: VocabularyTraining, file: string): Promise<void> {
  const bytes = await readFile(file);
  loadTokenizer({ bytes, kind: "sentencepiece", lowerCase });
  const { pieces } = readSentencePieceModel(bytes);
  const expected = ["<pad>", "<unk>", ...CONTROL_SYMBOLS, ...userSymbols];
  const wrong = expected.findIndex((text, id) => pieces[id]?.text !== text);
  if (wrong >= 0) {
    throw new AlbertError(
      "backend",
      `spm_train made piece ${wrong} ${JSON.stringify(pieces[wrong]?.text)} where ${JSON.stringify(expected[wrong])} was ` +
        "asked for; this version reads its lists in another way, use SentencePiece 0.1.95 or newer",
      { reason: "SPM_TRAIN_UNSUITABLE" },
    );
  }
}

function cancelled(cause: unknown): AlbertError {
  return new AlbertError("cancelled", "vocabulary training was cancelled", { reason: "CANCELLED", cause });
}
