import { invalidInput } from "../../errors.ts";
import type { Lineage } from "../../model/directory/model-directory.ts";
import { isDigest } from "../../store/names.ts";
import type { Store } from "../../store/store.ts";
import { versionName } from "../../store/versions.ts";
import type { TrainingMix } from "../../training/features/task-data.ts";
import type { StartSpec } from "../../training/starting-model.ts";
import type { ExecutorOptions } from "../../training/step/training-step.ts";
import { splitRecipe } from "../job-recipe.ts";
import type { DataSource, JobSpec } from "../job-spec.ts";

// Turns what a job's specification names (models, datasets, paths) into files of this machine. It reads none of them.

/** A specification with everything it names as paths of this machine: what a job's thread is given. */
export interface ResolvedSpec {
  readonly jobId: string;
  readonly spec: JobSpec;
  /** Absent for kinds that need no model. */
  readonly start?: StartSpec;
  /** The stored version that `start` is, as "name@7"; absent where it is none. */
  readonly startVersion?: string;
  /** Directory of a distillation's teacher. */
  readonly teacher?: string;
  /** The stored version that it is, as "name@7". */
  readonly teacherVersion?: string;
  /** Vocabulary of a kind that needs one and no model. */
  readonly vocabulary?: { readonly path: string; readonly lowerCase: boolean };
  readonly train?: string;
  readonly mix?: TrainingMix;
  readonly eval?: string;
  readonly unlabelled?: string;
  /** Of a trial of a sweep: how often it was judged before. */
  readonly judgedBefore?: number;
  /** Milliseconds for which earlier attempts took steps; they count for the job's bound on time. */
  readonly spentMs?: number;
  /** The job's own directory. */
  readonly directory: string;
  /** Features and tokenised text, which jobs share. */
  readonly cache: string;
  readonly executor: ExecutorOptions;
  /** Version of this program. */
  readonly program: string;
}

/** Makes paths of what a specification names; fails when there is no such model or data. */
export type ResolveSpec = (spec: JobSpec) => Promise<Omit<ResolvedSpec, "jobId" | "spec" | "directory">>;

export interface StoreJobsOptions {
  readonly store: Store;
  /** Features and tokenised text, which jobs share. */
  readonly cache: string;
  readonly executor: ExecutorOptions;
  readonly program: string;
  /**
   * Absolute path of a file below a configured dataset root; refuses every other.
   *
   * @param field  what the caller calls the path
   */
  readonly resolvePath: (path: string, field: string) => Promise<string>;
}

/**
 * Looks whether the data that a specification names can be used, without reading it. Whether there is a model to start from
 * is only known when the job begins: one before it may make it.
 *
 * @throws AlbertError not-found (PATH_NOT_FOUND, DATASET_NOT_FOUND); forbidden (PATH_IS_LINK); invalid-input naming the
 *   field of a path that leads out
 */
export async function checkSources(
  spec: JobSpec,
  { store, resolvePath }: Pick<StoreJobsOptions, "store" | "resolvePath">,
): Promise<void> {
  const { vocabulary } = splitRecipe(spec, "spec.recipe.").own;
  const sources = [
    ["spec.train", spec.train],
    ["spec.eval", spec.eval],
    ["spec.unlabelled", spec.unlabelled],
    ...furtherOf(spec),
  ] as const;
  for (const [field, source] of sources) {
    if (source?.kind === "dataset") await store.datasets.get(source.digest);
    else if (source !== undefined) await resolvePath(source.path, `${field}.path`);
  }
  if (vocabulary === undefined) return;
  if (isDigest(vocabulary)) await store.datasets.get(vocabulary);
  else await resolvePath(vocabulary, "spec.recipe.vocabulary");
}

/** Finds what specifications name in a store, and below the dataset roots. */
export function resolveFromStore(options: StoreJobsOptions): ResolveSpec {
  const { store, cache, executor, program } = options;
  return async (spec) => {
    const start = await startOf(spec, options);
    const vocabulary = spec.kind === "pretraining-data" ? await vocabularyOf(spec, options) : undefined;
    const train = spec.train && (await pathOf(spec.train, "spec.train", options));
    const evaluation = spec.eval && (await pathOf(spec.eval, "spec.eval", options));
    const unlabelled = spec.unlabelled && (await pathOf(spec.unlabelled, "spec.unlabelled", options));
    const teacher = await teacherOf(spec);
    const mix = spec.mix && { weight: spec.mix.weight, further: await furtherPaths(spec) };
    return {
      ...start,
      ...(vocabulary === undefined ? {} : { vocabulary }),
      ...(train === undefined ? {} : { train }),
      ...(mix === undefined ? {} : { mix }),
      ...(evaluation === undefined ? {} : { eval: evaluation }),
      ...(unlabelled === undefined ? {} : { unlabelled }),
      ...teacher,
      cache,
      executor,
      program,
    };
  };

  async function furtherPaths(spec: JobSpec): Promise<TrainingMix["further"]> {
    const further = [];
    for (const [i, [field, source]] of furtherOf(spec).entries()) {
      further.push({ path: await pathOf(source, field, options), weight: spec.mix!.further[i]!.weight });
    }
    return further;
  }

  async function teacherOf({
    model,
    teacher = "",
  }: JobSpec): Promise<Pick<ResolvedSpec, "teacher" | "teacherVersion">> {
    if (teacher === "") return {};
    const version = await store.resolve(...referenceOf({ model, init: teacher }, "spec.teacher"));
    return { teacher: await store.versions.materialise(version), teacherVersion: versionName(version) };
  }

  async function startOf(
    spec: JobSpec,
    options: StoreJobsOptions,
  ): Promise<Pick<ResolvedSpec, "start" | "startVersion">> {
    if (spec.kind === "train-vocabulary") return {};
    const { randomInit: architecture, student } = splitRecipe(spec, "recipe.").own;
    if (student !== undefined) return {};
    const vocabulary = await vocabularyOf(spec, options);
    if (architecture !== undefined && vocabulary !== undefined) {
      const { path, lowerCase } = vocabulary;
      return { start: { kind: "random", architecture, vocabulary: path, lowerCase } };
    }
    if (spec.kind === "pretraining-data" && vocabulary !== undefined) return {};
    const [model, reference] = referenceOf(spec);
    const version = await store.resolve(model, reference);
    const path = await store.versions.materialise(version);
    return { start: { kind: "checkpoint", path }, startVersion: versionName(version) };
  }
}

/** The vocabulary that a recipe names: a dataset by its digest, as a vocabulary job leaves it, or a path below a root. */
async function vocabularyOf(spec: JobSpec, options: StoreJobsOptions): Promise<ResolvedSpec["vocabulary"]> {
  const { vocabulary, cased = false } = splitRecipe(spec, "recipe.").own;
  if (vocabulary === undefined) return undefined;
  const path = isDigest(vocabulary)
    ? await options.store.datasets.materialise(vocabulary)
    : await options.resolvePath(vocabulary, "spec.recipe.vocabulary");
  return { path, lowerCase: !cased };
}

/** The further training data of a specification, with what the caller calls it. */
function furtherOf({ mix }: JobSpec): (readonly [field: string, source: DataSource])[] {
  return (mix?.further ?? []).map(({ source }, i) => [`spec.further_train[${i}].source`, source] as const);
}

/** What a version's lineage tells of the job that made it. */
export function lineageOfJob({ spec, program, jobId }: ResolvedSpec): Lineage {
  const stored = dataOf(spec);
  return { ...(stored.length === 0 ? {} : { stored }), program, jobId };
}

/** Digests of the datasets that a specification names. */
export function datasetsOf(spec: JobSpec): string[] {
  const { vocabulary = "" } = spec.recipe;
  return isDigest(vocabulary) ? [...dataOf(spec), vocabulary] : dataOf(spec);
}

/** The same without a vocabulary, which what is made of it holds itself. */
function dataOf(spec: JobSpec): string[] {
  const { train, eval: evaluation, unlabelled } = spec;
  return [train, evaluation, unlabelled, ...furtherOf(spec).map(([, source]) => source)]
    .filter((source) => source?.kind === "dataset")
    .map(({ digest }) => digest);
}

/** "name@7", "name/champion", or a number, alias or digest of the job's own model; empty: its champion. */
export function referenceOf(
  { model, init }: Pick<JobSpec, "model" | "init">,
  field = "spec.init",
): readonly [model: string, reference: string] {
  const parts = init.split(/[@/]/);
  if (parts.length === 2) return [parts[0]!, parts[1]!];
  if (parts.length === 1) return [model, init];
  throw invalidInput([{ field, description: 'expected "name@7", "name/champion" or a digest' }]);
}

function pathOf(source: DataSource, field: string, { store, resolvePath }: StoreJobsOptions): Promise<string> {
  return source.kind === "dataset"
    ? store.datasets.materialise(source.digest)
    : resolvePath(source.path, `${field}.path`);
}
