import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeDirectory } from "../../../platform/directories.ts";
import { measureText, type TextSize } from "../../../pretraining/corpus/text-size.ts";
import {
  OFFICIAL_VOCABULARY_TRAINING,
  requireTrainer,
  trainVocabulary,
  type VocabularyTraining,
} from "../../../pretraining/vocabulary/train-vocabulary.ts";
import {
  measureVocabularyTraining,
  SAMPLED_BYTES,
  vocabularyNeeds,
} from "../../../pretraining/vocabulary/vocabulary-plan.ts";
import { EMPTY_PLAN, type JobOutcome, type JobPlan } from "../../job-outcome.ts";
import { splitRecipe } from "../../job-recipe.ts";
import { appliedSetting, type JobControl, required, WORK_DIRECTORY } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { requireResources } from "../resources.ts";

// The job that trains a vocabulary: its run and its plan.

/** Trains a SentencePiece vocabulary; the result is its `.model` file. */
export async function vocabularyJob(resolved: ResolvedSpec, { hooks, signal }: JobControl): Promise<JobOutcome> {
  const training = vocabularyTraining(resolved);
  const file = required(resolved.train, "train");
  await requireTrainer(training.spmTrain);
  hooks.activity("reading the text");
  const size = await measureText(file);
  hooks.phase("validated");
  const plan = planOf(resolved, training, size);
  hooks.planned(plan);
  await requireResources(
    tmpdir(),
    { memoryBytes: plan.peakMemoryBytes, diskBytes: plan.diskBytes },
    { memory: "give less text", disk: "free some where temporary files lie, or give less text" },
  );
  hooks.phase("prepared");
  hooks.activity("training the vocabulary");
  const work = join(resolved.directory, WORK_DIRECTORY);
  await makeDirectory(work);
  const trained = await trainVocabulary({ ...training, files: [file], outputPrefix: join(work, "vocabulary"), signal });
  hooks.phase("trained");
  return {
    kind: "finished",
    metrics: { vocab_size: trained.vocabSize, lines: trained.lines },
    file: { name: "vocabulary.model", path: trained.model },
  };
}

/** Says what such a job would take; a text that is short is tried whole. */
export async function planVocabularyJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const training = vocabularyTraining(resolved);
  await requireTrainer(training.spmTrain);
  const size = await measureText(required(resolved.train, "train"), SAMPLED_BYTES);
  return { ...planOf(resolved, training, size), etaSeconds: await measureVocabularyTraining(training, size) };
}

function vocabularyTraining({ spec }: ResolvedSpec): Omit<VocabularyTraining, "files" | "outputPrefix"> {
  const { vocabSize = 30_000, cased = false } = splitRecipe(spec, "recipe.").own;
  return { ...OFFICIAL_VOCABULARY_TRAINING, vocabSize, lowerCase: !cased };
}

function planOf(
  { spec }: ResolvedSpec,
  training: Omit<VocabularyTraining, "files" | "outputPrefix">,
  size: Pick<TextSize, "bytes" | "lines">,
): JobPlan {
  const { memoryBytes, diskBytes } = vocabularyNeeds(training, size);
  const given = Object.keys(spec.recipe);
  return {
    ...EMPTY_PLAN,
    peakMemoryBytes: memoryBytes,
    diskBytes,
    settings: [
      { name: "lines", value: String(Math.min(size.lines, training.inputSentenceSize)), origin: "the data" },
      appliedSetting("vocab_size", training.vocabSize, given),
      appliedSetting("cased", !training.lowerCase, given),
      appliedSetting("character_coverage", training.characterCoverage, given),
    ],
  };
}
