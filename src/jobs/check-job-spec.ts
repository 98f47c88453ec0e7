import { AlbertError, type FieldViolation, invalidInput } from "../errors.ts";
import { PUBLISHED_CONFIG_NAMES } from "../model/published-configs.ts";
import { parsePretraining } from "../pretraining/hyperparameters.ts";
import { checkName, isDigest } from "../store/names.ts";
import { possibleMetrics } from "../training/evaluation/head-metrics.ts";
import { checkSelection } from "../training/evaluation/selection.ts";
import { parseDistillation } from "../training/settings/distillation.ts";
import { parseFineTuning } from "../training/settings/fine-tuning.ts";
import { HEAD_TASKS, recipeOf, TASKS } from "../training/settings/recipes.ts";
import { LARGEST_COUNT, LARGEST_SEED } from "../training/settings/value-type.ts";
import { type JobRecipe, parseInstanceSettings, splitRecipe } from "./job-recipe.ts";
import type { JobSpec } from "./job-spec.ts";
import { checkSweep } from "./sweeps/trials.ts";

/**
 * Checks what can be checked of a specification without reading models or data.
 *
 * @throws AlbertError invalid-input with every wrong field at once
 */
export function checkJobSpec(spec: JobSpec): void {
  const violations: FieldViolation[] = [];
  const collect = (check: () => void) => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof AlbertError) || error.code !== "invalid-input") throw error;
      violations.push(...error.violations);
    }
  };
  collect(() => checkName("spec.model", spec.model));
  const measures = Object.hasOwn(MEASURED_ON, spec.kind);
  const fineTunes = FINE_TUNES.has(spec.kind);
  if ((fineTunes || measures) && !TASKS.some((task) => task === spec.task)) {
    violations.push({ field: "spec.task", description: `expected one of ${TASKS.join(", ")}` });
  }
  if (
    spec.kind === "distil" &&
    TASKS.some((task) => task === spec.task) &&
    !HEAD_TASKS.some((task) => task === spec.task)
  ) {
    violations.push({ field: "spec.task", description: `a distillation is for ${HEAD_TASKS.join(", ")}` });
  }
  if (spec.train === undefined && (!measures || spec.kind === "quantise")) {
    violations.push({ field: "spec.train", description: "this kind of job needs training data" });
  }
  if (measures && spec.eval === undefined) {
    const description = MEASURED_ON[spec.kind as keyof typeof MEASURED_ON]; // `measures` says so
    violations.push({ field: "spec.eval", description });
  }
  if ((spec.sweep === undefined) === (spec.kind === "sweep")) {
    const description =
      spec.kind === "sweep" ? "a sweep needs what it tries" : `belongs to a sweep; a ${spec.kind} job has none`;
    violations.push({ field: "spec.sweep", description });
  }
  checkTeaching(spec, violations);
  checkMix(spec, violations);
  for (const [field, source] of [
    ["spec.train.dataset", spec.train],
    ["spec.eval.dataset", spec.eval],
    ["spec.unlabelled.dataset", spec.unlabelled],
    ...(spec.mix?.further ?? []).map(({ source }, i) => [`spec.further_train[${i}].source.dataset`, source] as const),
  ] as const) {
    if (source?.kind === "dataset" && !isDigest(source.digest))
      violations.push({ field, description: "expected a sha256 as 64 lower-case hex digits" });
  }
  const { randomInit, vocabulary } = jobRecipe(spec);
  if (randomInit !== undefined && !PUBLISHED_CONFIG_NAMES.includes(randomInit)) {
    const description = `expected one of ${PUBLISHED_CONFIG_NAMES.join(", ")}`;
    violations.push({ field: "spec.recipe.random_init", description });
  }
  if (randomInit !== undefined && vocabulary === undefined) {
    violations.push({
      field: "spec.recipe.vocabulary",
      description: "random weights need a vocabulary: the digest of a dataset, or a path below a dataset root",
    });
  }
  for (const [field, value, largest] of [
    ["spec.seed", spec.seed, LARGEST_SEED],
    ["spec.max_steps", spec.maxSteps, LARGEST_COUNT],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 0 || value > largest)
      violations.push({ field, description: `expected an integer from 0 to ${largest}, got ${value}` });
  }
  if (!(spec.maxWallSeconds >= 0 && spec.maxWallSeconds <= LARGEST_COUNT)) {
    const description = `expected a number from 0 (no bound) to ${LARGEST_COUNT}, got ${spec.maxWallSeconds}`;
    violations.push({ field: "spec.max_wall_seconds", description });
  }
  if (!Number.isSafeInteger(spec.priority) || Math.abs(spec.priority) > 1000) {
    violations.push({
      field: "spec.priority",
      description: `expected an integer from -1000 to 1000, got ${spec.priority}`,
    });
  }
  collect(() => checkRecipe(spec));
  if (violations.length > 0) throw invalidInput(violations);
}

/** Kinds that train on a task. */
const FINE_TUNES: ReadonlySet<JobSpec["kind"]> = new Set(["fine-tune", "distil", "sweep"]);

const MEASURED_ON = {
  evaluate: "an evaluation needs data",
  convert: "a conversion is measured: it needs data",
  quantise: "a quantisation is measured: it needs data",
  calibrate: "a calibration is fitted to data that the model was not trained on: it needs some",
} as const;

/** Several sources with weights are what a fine-tune or distillation may have. */
function checkMix({ kind, mix }: JobSpec, violations: FieldViolation[]): void {
  if (mix === undefined) return;
  if (!FINE_TUNES.has(kind)) {
    const description = `belongs to a fine-tune, distillation or sweep; a ${kind} job has one source`;
    violations.push({ field: "spec.further_train", description });
    return;
  }
  if (mix.further.length === 0) {
    const description = "is the share of one source among several: name further_train, or leave it out";
    violations.push({ field: "spec.train_weight", description });
  }
  const weights = [
    ["spec.train_weight", mix.weight],
    ...mix.further.map(({ weight }, i) => [`spec.further_train[${i}].weight`, weight] as const),
  ] as const;
  for (const [field, weight] of weights) {
    if (weight > 0 && weight <= 1_000_000) continue;
    violations.push({ field, description: `expected a number above 0 and up to 1000000, got ${weight}` });
  }
}

/** A teacher is what a distillation has and a pretraining may have, and texts without labels are a distillation's. */
function checkTeaching(spec: JobSpec, violations: FieldViolation[]): void {
  const { kind, teacher = "", unlabelled } = spec;
  const learns = kind === "distil" || kind === "pretrain";
  const given = [
    ...(teacher === "" || learns ? [] : ["spec.teacher"]),
    ...(unlabelled === undefined || kind === "distil" ? [] : ["spec.unlabelled"]),
  ];
  for (const field of given)
    violations.push({ field, description: `belongs to a distillation; a ${kind} job has none` });
  if (!learns) return;
  const { student } = jobRecipe(spec);
  if (teacher === "" && (kind === "distil" || student !== undefined)) {
    const description = 'a student needs the version that it learns from, such as "name@7" or "name/champion"';
    violations.push({ field: "spec.teacher", description });
  }
  if (student !== undefined && !PUBLISHED_CONFIG_NAMES.includes(student) && !student.trimStart().startsWith("{")) {
    const description = `expected a configuration as JSON or one of ${PUBLISHED_CONFIG_NAMES.join(", ")}`;
    violations.push({ field: "spec.recipe.student", description });
  }
  if (student !== undefined && spec.init !== "") {
    violations.push({
      field: "spec.init",
      description: "a student given as an architecture starts from no version: leave one of them out",
    });
  }
}

/** What the recipe says besides settings; nothing where it is wrong, which `checkRecipe` tells. */
function jobRecipe(spec: JobSpec): JobRecipe {
  try {
    return splitRecipe(spec, "").own;
  } catch (error) {
    if (error instanceof AlbertError && error.code === "invalid-input") return {};
    throw error;
  }
}

function checkRecipe(spec: JobSpec): void {
  const prefix = "spec.recipe.";
  const { own, settings } = splitRecipe(spec, prefix);
  if (spec.kind === "pretrain") parsePretraining(settings, prefix);
  else if (spec.kind === "pretraining-data") parseInstanceSettings(settings, prefix);
  if (!FINE_TUNES.has(spec.kind)) return;
  const parse = spec.kind === "distil" ? parseDistillation : parseFineTuning;
  const { metric } = parse(settings, prefix).settings;
  const task = TASKS.find((known) => known === spec.task);
  if (metric !== undefined && task !== undefined)
    checkSelection({ metric, goal: "highest" }, possibleMetrics(recipeOf(task), own.problemType), `${prefix}metric`);
  if (spec.sweep !== undefined && spec.kind === "sweep") checkSweep(spec, spec.sweep);
}
