import { AlbertError } from "../../errors.ts";
import type { Job } from "../../jobs/job.ts";
import type { JobSpec } from "../../jobs/job-spec.ts";
import { isTerminal } from "../../jobs/job-state.ts";
import { datasetsOf, referenceOf } from "../../jobs/runner/resolved-spec.ts";
import type { ModelStatus } from "../../serving/models/status.ts";
import type { GcRoots } from "../../store/references.ts";
import type { Store } from "../../store/store.ts";
import { versionName } from "../../store/versions.ts";

// What this server still needs of the store, as roots for its garbage collection. It removes nothing.

/** Versions in memory. */
export function rootsOfServing(live: readonly ModelStatus[]): GcRoots {
  const versions = live.flatMap(({ name: model, versions }) =>
    versions.map(({ version }) => versionName({ model, version: Number(version) })),
  );
  return { versions, datasets: [] };
}

/** What unfinished jobs start from, learn from, have made, and read. */
export async function rootsOfJobs(store: Store, jobs: readonly Job[]): Promise<GcRoots> {
  const unfinished = jobs.filter(({ state }) => !isTerminal(state));
  const made = unfinished.map(({ modelVersion }) => modelVersion).filter((version) => version !== "");
  const starts = await Promise.all(unfinished.map((job) => startOf(store, job)));
  const teachers = await Promise.all(unfinished.map((job) => teacherOf(store, job)));
  return {
    versions: unique([
      ...made,
      ...teachers.filter((version) => version !== undefined),
      ...starts.filter((version) => version !== undefined),
    ]),
    datasets: unique(unfinished.flatMap(({ spec }) => datasetsOf(spec))),
  };
}

/** The version a job starts from; undefined when there is none, which the job then reports. */
async function startOf(store: Store, { spec, startVersion }: Job): Promise<string | undefined> {
  return startVersion === "" ? referred(store, spec) : startVersion;
}

/** The version a distillation learns from; undefined for other jobs. */
async function teacherOf(store: Store, { spec, teacherVersion }: Job): Promise<string | undefined> {
  const { model, teacher = "" } = spec;
  return teacherVersion ?? (teacher === "" ? undefined : referred(store, { model, init: teacher }));
}

async function referred(store: Store, spec: Pick<JobSpec, "model" | "init">): Promise<string | undefined> {
  try {
    return versionName(await store.resolve(...referenceOf(spec)));
  } catch (error) {
    if (error instanceof AlbertError && (error.code === "not-found" || error.code === "invalid-input"))
      return undefined;
    throw error;
  }
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
