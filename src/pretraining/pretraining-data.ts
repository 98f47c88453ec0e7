import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, invalidInput } from "../errors.ts";
import { sha256Of, withFile } from "../model/formats/random-access-file.ts";
import { makeDirectory } from "../platform/directories.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TextReport } from "./corpus/text-documents.ts";
import { TokenStore } from "./corpus/token-store.ts";
import { buildTokenStore } from "./corpus/token-store-writer.ts";
import { splitHeldOut } from "./held-out.ts";
import type { PretrainingSettings } from "./hyperparameters.ts";
import type { Documents, InstanceOptions } from "./instances/instance.ts";
import { InstanceSource } from "./instances/instance-source.ts";
import { RecordedInstances, readRecordFiles } from "./records/record-file.ts";
import type { Instances } from "./step-source.ts";
import { type UnigramEntropy, unigramEntropy } from "./vocabulary/unigram-entropy.ts";

// Opens the text or the records of a pretraining run.

/** Text or records, ready to be asked for instances. */
export interface PretrainingData {
  /** sha256 (hex) over the contents of all input files and the vocabulary. */
  readonly digest: string;
  /** What was read; absent for records. */
  readonly report?: TextReport;
  /** Directories of the token stores: of the text, and of the evaluation text where it is another. Absent for records. */
  readonly stores?: { readonly train: string; readonly evaluation?: string };
  /** Instances to train on. */
  train(sequenceLength: number, seed: number): Instances;
  /** Instances to evaluate on; absent when nothing was held out. */
  readonly heldOut?: (sequenceLength: number) => Instances;
  /** Of the held-out text; absent without it. */
  readonly entropy?: UnigramEntropy;
}

export interface PretrainingDataOptions {
  /** Text files (a sentence a line, a blank line between documents, plain or gzip), or `.tf_record` files. */
  readonly files: readonly string[];
  /** Text for evaluation; absent: a share of the documents of `files` is held out. */
  readonly evalFiles?: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly settings: PretrainingSettings;
  /** Where token stores are kept; runs may share it. */
  readonly cache: string;
  readonly onProgress?: (report: Readonly<TextReport>) => void;
}

/** Seed of the evaluation's instances: the same for every run, so that runs can be compared. */
export const EVALUATION_SEED = 0;

/** Whether a file's name is that of instances, and not of text. */
export function isRecordFile(file: string): boolean {
  return /\.tf_?records?$/.test(file);
}

/** @throws AlbertError naming the file that cannot be used, and why */
export async function openPretrainingData(options: PretrainingDataOptions): Promise<PretrainingData> {
  const { files, evalFiles, tokenizer, settings } = options;
  if (files.length === 0) throw invalidInput([{ field: "input", description: "no file matches" }]);
  const records = files.filter(isRecordFile);
  if (records.length > 0 && records.length < files.length) {
    throw invalidInput([{ field: "input", description: "text files and TFRecord files cannot be mixed" }]);
  }
  if (records.length > 0) return recordedData(options);
  const store = await openStore(files, options);
  const evaluation = evalFiles && (await openStore(evalFiles, options));
  const split =
    evaluation === undefined
      ? splitHeldOut(store.documents, settings.heldOut)
      : { train: store.documents, heldOut: evaluation.documents };
  const base = { ...instanceOptions(settings), ...store.documents.manifest.tokenizer };
  const source = (documents: Documents, maxSequenceLength: number, seed: number) =>
    new InstanceSource(documents, { ...base, maxSequenceLength, seed });
  const evaluated = split.heldOut.count > 0;
  return {
    digest: store.digest,
    report: store.documents.manifest.report,
    stores: { train: store.directory, ...(evaluation === undefined ? {} : { evaluation: evaluation.directory }) },
    train: (sequenceLength, seed) => source(split.train, sequenceLength, seed),
    ...(evaluated
      ? {
          heldOut: (sequenceLength: number) => source(split.heldOut, sequenceLength, EVALUATION_SEED),
          entropy: unigramEntropy(split.heldOut, tokenizer.vocabSize),
        }
      : {}),
  };
}

async function recordedData({ files, evalFiles, tokenizer }: PretrainingDataOptions): Promise<PretrainingData> {
  const instances = await readRecordFiles(files);
  const evaluation = evalFiles === undefined ? undefined : await readRecordFiles(evalFiles);
  return {
    digest: await digestOf(files, tokenizer, false),
    train: (_, seed) => new RecordedInstances(instances, seed),
    ...(evaluation === undefined ? {} : { heldOut: () => new RecordedInstances(evaluation, EVALUATION_SEED) }),
  };
}

/** Finds the token store of these very files and vocabulary in the cache, or builds it; a damaged one is built anew. */
async function openStore(
  files: readonly string[],
  { tokenizer, settings, cache, onProgress }: PretrainingDataOptions,
): Promise<{ documents: TokenStore; digest: string; directory: string }> {
  const digest = await digestOf(files, tokenizer, settings.officialQuirks);
  const directory = join(cache, `tokens-${digest.slice(0, 16)}`);
  let documents = soundStore(directory);
  if (documents === undefined) {
    await rm(directory, { recursive: true, force: true });
    await makeDirectory(cache);
    await buildTokenStore(directory, {
      files,
      tokenizer,
      officialQuirks: settings.officialQuirks,
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    documents = new TokenStore(directory);
  }
  documents.requireTokenizer(tokenizer);
  return { documents, digest, directory };
}

/** A store whose files are what was written; undefined where there is none. */
function soundStore(directory: string): TokenStore | undefined {
  if (!existsSync(directory)) return undefined;
  let store: TokenStore | undefined;
  try {
    store = new TokenStore(directory);
    store.verify();
    return store;
  } catch (error) {
    store?.close();
    if (error instanceof AlbertError && error.code === "corrupt") return undefined;
    throw error;
  }
}

async function digestOf(files: readonly string[], tokenizer: Tokenizer, officialQuirks: boolean): Promise<string> {
  const hash = createHash("sha256").update(`${tokenizer.digest} ${officialQuirks}`);
  for (const file of files) hash.update(await withFile(file, sha256Of));
  return hash.digest("hex");
}

/** Settings that decide what instances a text gives. */
export type InstanceSettings = Pick<
  PretrainingSettings,
  | "shortSeqProb"
  | "randomNextSentence"
  | "singleSentence"
  | "maskedLmProb"
  | "maxPredictionsPerSeq"
  | "ngram"
  | "favorShorterNgram"
  | "doWholeWordMask"
  | "doPermutation"
  | "officialQuirks"
>;

/** Instance options without those that the vocabulary and the stage decide. */
export function instanceOptions(
  settings: InstanceSettings,
): Omit<InstanceOptions, "maxSequenceLength" | "vocabSize" | "special"> {
  return {
    shortSequenceProb: settings.shortSeqProb,
    randomNextSentence: settings.randomNextSentence,
    singleSentence: settings.singleSentence,
    maskedLmProb: settings.maskedLmProb,
    maxPredictionsPerSequence: settings.maxPredictionsPerSeq,
    ngram: settings.ngram,
    favorShorterNgram: settings.favorShorterNgram,
    wholeWordMask: settings.doWholeWordMask,
    permutation: settings.doPermutation,
    officialQuirks: settings.officialQuirks,
  };
}
