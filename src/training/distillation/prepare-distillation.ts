import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import type { Model } from "../../model/directory/model-directory.ts";
import { type Head, readsPooled, uncalibrated } from "../../model/heads.ts";
import { DISTILLATION, type DistillationSettings, type GivenDistillation } from "../settings/distillation.ts";
import type { TrainingSettings } from "../settings/fine-tuning.ts";
import { completeTable, nameOf } from "../settings/table.ts";
import type { StartingModel } from "../starting-model.ts";
import { blockCount, type Distillation, type LayerPair, uniformLayers } from "./distillation.ts";

// Whether a teacher and a student fit each other, and how the one teaches the other.

/** A teacher, and what a person or a job says of how it teaches. */
export interface DistillationSpec {
  /** A model directory, or any checkpoint that a run can start from. */
  readonly teacher: string;
  readonly given: GivenDistillation;
}

/** What of a run its distillation depends on. */
export interface DistillationFacts {
  readonly teacher: Model;
  readonly student: Pick<StartingModel, "config" | "tokenizer">;
  /** That the data trains. */
  readonly head: Head;
  readonly settings: TrainingSettings;
  /** Passes over the data. */
  readonly passes: number;
}

/** A distillation that is settled. */
export interface PreparedDistillation {
  readonly teacher: Model;
  /** The teacher's, whose answers are learnt. */
  readonly head: Head;
  readonly settings: DistillationSettings;
  readonly reasons: Readonly<Record<keyof DistillationSettings, string>>;
  /** What the step computes. */
  readonly step: Distillation;
  /** Whether both cut texts alike. */
  readonly sameTokenizer: boolean;
}

/**
 * Settles how a teacher teaches a student.
 *
 * @throws AlbertError invalid-input with everything in which they do not fit each other, and what to do
 */
export function prepareDistillation(given: GivenDistillation, facts: DistillationFacts): PreparedDistillation {
  const { teacher, student, head, settings: training, passes } = facts;
  const teacherHead = headOfTeacher(teacher, head);
  const sameTokenizer = student.tokenizer.digest === teacher.tokenizer.digest;
  const { values, reasons } = completeTable(DISTILLATION, given, (soFar) => ({
    uniformLayers: uniformLayers(student.config, teacher.config).map((pair) => pair.join(":")),
    teacherBlocks: blockCount(teacher.config),
    relationHeads: commonHeads(student.config, teacher.config),
    answers: cheaperAnswers(
      { states: (soFar.hiddenWeight ?? 0) > 0 || (soFar.relationWeight ?? 0) > 0, sameTokenizer, passes },
      head,
      training,
    ),
  }));
  const settings = values as DistillationSettings; // every row has a default
  const violations = [
    ...checkSizes(settings, student.config, teacher.config),
    ...checkAnswers(settings, { ...facts, sameTokenizer }),
  ];
  if (violations.length > 0) throw invalidInput(violations);
  const { temperature, hardWeight: hard, softWeight: soft, hiddenWeight: hidden, relationWeight: relations } = settings;
  const computed = settings.teacherAnswers === "computed";
  const { config, parameters } = teacher;
  return {
    teacher,
    head: teacherHead,
    settings,
    reasons: reasons as PreparedDistillation["reasons"],
    sameTokenizer,
    step: {
      weights: { hard, soft, hidden, relations },
      temperature,
      ...(computed ? { teacher: { config, head: teacherHead, parameters } } : {}),
      layers: pairsOf(settings.layerMap)!, // checked above
      relationLayer: settings.relationLayer,
      relationHeads: settings.relationHeads,
    },
  };
}

/** The teacher's own head for the data: of that kind, with exactly its labels in their order. */
function headOfTeacher({ manifest }: Pick<Model, "manifest">, head: Head): Head {
  const same = (candidate: Head) => {
    if (candidate.kind !== head.kind) return false;
    if (candidate.kind !== "classification" || head.kind !== "classification") return true;
    return candidate.problemType === head.problemType && candidate.labels.join("\n") === head.labels.join("\n");
  };
  const found = manifest.heads.map(uncalibrated).find(same);
  if (found !== undefined) return found;
  const described = (of: Head) =>
    of.kind === "classification" ? `${of.problemType} over ${of.labels.join(", ")}` : of.kind;
  const has = manifest.heads.length === 0 ? "no head" : manifest.heads.map(described).join("; ");
  const description = `expected a head for ${described(head)}, as the data has it; the teacher has ${has}. Choose a teacher of this task, or name the labels as it does`;
  throw invalidInput([{ field: "teacher", description }]);
}

/** The teacher's heads, or the most below them that divide both hidden sizes. */
function commonHeads(student: AlbertConfig, teacher: AlbertConfig): number {
  let heads = teacher.numAttentionHeads;
  while (student.hiddenSize % heads !== 0 || teacher.hiddenSize % heads !== 0) heads--;
  return heads;
}

function cheaperAnswers(
  {
    states,
    sameTokenizer,
    passes,
  }: { readonly states: boolean; readonly sameTokenizer: boolean; readonly passes: number },
  head: Head,
  { headOnly }: TrainingSettings,
): readonly ["stored" | "computed", string] {
  if (states) return ["computed", "hidden states and relations would fill the disk"];
  if (!readsPooled(head.kind)) return ["computed", "answers of every token would fill the disk"];
  if (!sameTokenizer) return ["stored", "the teacher cuts texts otherwise than the student"];
  if (headOnly) return ["stored", "the trunk's outputs are stored as well"];
  return passes > 1
    ? ["stored", `the data is passed over ${passes.toFixed(1)} times, and the teacher answers once`]
    : ["computed", "the run sees no more than the data once"];
}

function pairsOf(map: readonly string[]): LayerPair[] | undefined {
  const pairs = map.map((pair) => /^(\d+):(\d+)$/.exec(pair));
  if (pairs.some((pair) => pair === null)) return undefined;
  return pairs.map((pair): LayerPair => [Number(pair![1]), Number(pair![2])]);
}

function checkSizes(settings: DistillationSettings, student: AlbertConfig, teacher: AlbertConfig): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const reject = (key: keyof DistillationSettings, description: string) =>
    violations.push({ field: nameOf(key), description });
  const [M, N] = [blockCount(student), blockCount(teacher)];
  const pairs = pairsOf(settings.layerMap);
  if (pairs === undefined || pairs.length === 0 || pairs.some(([own, other]) => own > M || other > N)) {
    const description = `expected pairs student:teacher, such as 0:0,${M}:${N}, of blocks up to ${M} and ${N}, got ${settings.layerMap.join(",")}`;
    reject("layerMap", description);
  }
  if (settings.relationLayer > N) {
    reject("relationLayer", `expected a block of the teacher, 1 to ${N}, got ${settings.relationLayer}`);
  }
  if (student.hiddenSize % settings.relationHeads !== 0 || teacher.hiddenSize % settings.relationHeads !== 0) {
    reject(
      "relationHeads",
      `expected a divisor of both hidden sizes, ${student.hiddenSize} and ${teacher.hiddenSize}, got ${settings.relationHeads}`,
    );
  }
  const { hardWeight, softWeight, hiddenWeight, relationWeight } = settings;
  if (softWeight + hiddenWeight + relationWeight === 0) {
    const description = `nothing is learnt of the teacher: give soft_weight, hidden_weight or relation_weight${hardWeight > 0 ? ", or train without a teacher" : ""}`;
    reject("softWeight", description);
  }
  return violations;
}

function checkAnswers(
  { teacherAnswers, hiddenWeight, relationWeight }: DistillationSettings,
  { head, teacher, sameTokenizer, settings }: DistillationFacts & { readonly sameTokenizer: boolean },
): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const reject = (field: string, description: string) => violations.push({ field, description });
  const states = hiddenWeight > 0 || relationWeight > 0;
  const pooled = readsPooled(head.kind);
  if (!sameTokenizer && (states || !pooled)) {
    const what = states ? "hidden states and relations" : "answers of every token";
    const description = `${what} can only be compared where both cut texts into the same pieces: start the student from a checkpoint with the teacher's vocabulary, or from an architecture, which takes it over${states ? "; or learn answers alone" : ""}`;
    reject("teacher", description);
  } else if (teacherAnswers === "computed" && !sameTokenizer) {
    reject("teacher_answers", "expected stored: the teacher cuts texts otherwise than the student");
  }
  if (teacherAnswers === "stored" && (states || !pooled)) {
    reject(
      "teacher_answers",
      `expected computed: ${states ? "hidden states and relations" : "answers of every token"} are not stored`,
    );
  }
  if (settings.headOnly && teacherAnswers === "computed") {
    reject(
      "head_only",
      "a head alone learns stored answers: leave out hidden_weight, relation_weight and teacher_answers",
    );
  }
  if (settings.maxSeqLength > teacher.config.maxPositionEmbeddings) {
    const description = `expected at most ${teacher.config.maxPositionEmbeddings} (the teacher's positions), got ${settings.maxSeqLength}`;
    reject("max_seq_length", description);
  }
  return violations;
}
