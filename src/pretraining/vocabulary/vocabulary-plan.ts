import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import type { TextSize } from "../corpus/text-size.ts";
import { trainVocabulary, type VocabularyTraining } from "./train-vocabulary.ts";

// What the training of a vocabulary would take, by estimate and by measurement.

/** What the training of a vocabulary takes. */
export interface VocabularyNeeds {
  /** Of the trainer, a process of its own. */
  readonly memoryBytes: number;
  /** In the directory for temporary files: the cleaned text. */
  readonly diskBytes: number;
}

/**
 * The trainer keeps its text in memory, with a suffix array over all characters: about 24 bytes for each byte of English text (measured with
 * version 0.1.96 on 1, 4 and 16 MB), and somewhat more to be safe.
 */
const MEMORY_PER_BYTE = 28;
const TRAINER_BYTES = 16e6;

/** Estimates what a text takes, of which the trainer draws as many lines as it is told. */
export function vocabularyNeeds(
  { inputSentenceSize }: Pick<VocabularyTraining, "inputSentenceSize">,
  { bytes, lines }: Pick<TextSize, "bytes" | "lines">,
): VocabularyNeeds {
  const drawn = Math.min(1, inputSentenceSize / Math.max(1, lines));
  return { memoryBytes: Math.round(TRAINER_BYTES + MEMORY_PER_BYTE * drawn * bytes), diskBytes: bytes };
}

/** Text that the trainer's speed is measured on. */
export const SAMPLED_BYTES = 1_000_000;
/** Pieces to make of it where there is more text, which has more pieces to give. */
const SAMPLED_PIECES = 1000;

/**
 * Trains on what a text begins with, to tell how long all of it takes; where that is the whole text, exactly as asked for.
 *
 * @returns seconds; 0 where the beginning is too odd to tell
 * @throws AlbertError as `trainVocabulary`, where the whole text was tried
 */
export async function measureVocabularyTraining(
  training: Omit<VocabularyTraining, "files" | "outputPrefix">,
  { bytes, beginning }: TextSize,
): Promise<number> {
  const sampled = Buffer.byteLength(beginning);
  const vocabSize = sampled < bytes ? Math.min(training.vocabSize, SAMPLED_PIECES) : training.vocabSize;
  const folder = await makeTemporaryDirectory("vocabulary");
  try {
    const text = join(folder, "beginning.txt");
    await writeFile(text, beginning);
    const from = performance.now();
    await trainVocabulary({ ...training, vocabSize, files: [text], outputPrefix: join(folder, "sample") });
    return ((bytes / Math.max(1, sampled)) * (performance.now() - from)) / 1000;
  } catch (error) {
    if (sampled < bytes && error instanceof AlbertError && error.code === "invalid-input") return 0;
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
