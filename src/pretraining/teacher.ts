import { type FieldViolation, invalidInput } from "../errors.ts";
import type { Model } from "../model/directory/model-directory.ts";
import type { Distillation } from "../training/distillation/distillation.ts";
import { nameOf } from "../training/settings/table.ts";
import type { StartingModel } from "../training/starting-model.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings, TEACHING } from "./hyperparameters.ts";

// Whether a teacher of masked words fits its student, and how it teaches (as DistilBERT's: Sanh et al. 2019, arXiv:1910.01108).

/**
 * How a teacher's expectations at masked positions are learnt.
 *
 * @throws AlbertError invalid-input with everything in which teacher and student do not fit each other
 */
export function wordDistillation(teacher: Model, student: StartingModel, settings: PretrainingSettings): Distillation {
  const { hardWeight: hard, softWeight: soft, temperature, maxSeqLength } = settings;
  const violations: FieldViolation[] = [];
  const refuse = (description: string) => violations.push({ field: "teacher", description });
  const head = teacher.heads.find(({ kind }) => kind === "masked-lm");
  if (head === undefined) {
    const heads = teacher.heads.map(({ name, kind }) => `${name} (${kind})`).join(", ") || "none";
    refuse(`has no masked-lm head, which says what words it expects; its heads: ${heads}`);
  }
  const { vocabSize, maxPositionEmbeddings: positions } = teacher.config;
  if (teacher.tokenizer.digest !== student.tokenizer.digest || vocabSize !== student.config.vocabSize) {
    refuse(
      "cuts text into other pieces than the student: both need one vocabulary, which a student given as an architecture takes over",
    );
  }
  if (positions < maxSeqLength) refuse(`has ${positions} positions, fewer than max_seq_length ${maxSeqLength}`);
  if (head === undefined || violations.length > 0) throw invalidInput(violations);
  const { config, parameters } = teacher;
  return {
    weights: { hard, soft, hidden: 0, relations: 0 },
    temperature,
    teacher: { config, head, parameters },
    // Only expectations are compared.
    ...{ layers: [], relationLayer: 1, relationHeads: 1 },
  };
}

/** @throws AlbertError invalid-input for settings of a teacher where there is none */
export function refuseTeaching(settings: PretrainingSettings): void {
  const given = TEACHING.filter((key) => settings[key] !== DEFAULT_PRETRAINING_SETTINGS[key]);
  if (given.length === 0) return;
  throw invalidInput(
    given.map((key) => ({ field: nameOf(key), description: "counts with a teacher, and there is none" })),
  );
}
