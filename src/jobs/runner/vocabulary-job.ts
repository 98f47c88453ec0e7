import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureText, type TextSize } from "../../pretraining/text-size.ts";
import {
  OFFICIAL_VOCABULARY_TRAINING,
  requireTrainer,
  trainVocabulary,
  type VocabularyTraining,
} from "../../pretraining/vocabulary.ts";
import { measureVocabularyTraining, SAMPLED_BYTES, vocabularyNeeds } from "../../pretraining/vocabulary-plan.ts";
import { NOTHING_PLANNED, setting } from "../job-plans.ts";
import { divideRecipe } from "../job-recipe.ts";
import type { WorkOutcome } from "../job-runner.ts";
import type { JobPlan } from "../job-service.ts";
import { required, type WorkControl } from "./job-control.ts";
import { WORK_DIRECTORY, type WorkOrder } from "./resolved-spec.ts";
import { requireResources } from "./resources.ts";

/** Trains a SentencePiece vocabulary; the result is its `.model` file. */
export async function trainVocabularyJob(order: WorkOrder, { hooks, signal }: WorkControl): Promise<WorkOutcome> {
  const training = vocabularyTraining(order);
  const file = required(order.train, "train");
  await requireTrainer(training.spmTrain);
  hooks.activity("reading the text");
  const size = await measureText(file);
  hooks.phase("validated");
  const plan = planOf(order, training, size);
  hooks.planned(plan);
  await requireResources(
    tmpdir(),
    { memoryBytes: plan.peakMemoryBytes, diskBytes: plan.diskBytes },
    { memory: "give less text", disk: "free some where temporary files lie, or give less text" },
  );
  hooks.phase("prepared");
  hooks.activity("training the vocabulary");
  const work = join(order.directory, WORK_DIRECTORY);
  await mkdir(work, { recursive: true });
  const trained = await trainVocabulary({ ...training, files: [file], outputPrefix: join(work, "vocabulary"), signal });
  hooks.phase("trained");
  return {
    kind: "finished",
    metrics: { vocab_size: trained.vocabSize, lines: trained.lines },
    file: { name: "vocabulary.model", path: trained.model },
  };
}

/** Says what such a job would take; a text that is short is tried whole. */
export async function planVocabulary(order: WorkOrder): Promise<JobPlan> {
  const training = vocabularyTraining(order);
  await requireTrainer(training.spmTrain);
  const size = await measureText(required(order.train, "train"), SAMPLED_BYTES);
  return { ...planOf(order, training, size), etaSeconds: await measureVocabularyTraining(training, size) };
}

function vocabularyTraining({ spec }: WorkOrder): Omit<VocabularyTraining, "files" | "outputPrefix"> {
  const { vocabSize = 30_000, cased = false } = divideRecipe(spec, "recipe.").own;
  return { ...OFFICIAL_VOCABULARY_TRAINING, vocabSize, lowerCase: !cased };
}

function planOf(
  { spec }: WorkOrder,
  training: Omit<VocabularyTraining, "files" | "outputPrefix">,
  size: Pick<TextSize, "bytes" | "lines">,
): JobPlan {
  const { memoryBytes, diskBytes } = vocabularyNeeds(training, size);
  const given = Object.keys(spec.recipe);
  return {
    ...NOTHING_PLANNED,
    peakMemoryBytes: memoryBytes,
    diskBytes,
    settings: [
      { name: "lines", value: String(Math.min(size.lines, training.inputSentenceSize)), origin: "the data" },
      setting("vocab_size", training.vocabSize, given),
      setting("cased", !training.lowerCase, given),
      setting("character_coverage", training.characterCoverage, given),
    ],
  };
}
