import { AlbertError } from "../errors.ts";
import type { Job } from "../jobs/job.ts";
import { isTerminal } from "../jobs/job-state.ts";
import { referenceOf } from "../jobs/resolve-order.ts";
import type { ModelStatus } from "../serving/serving-state.ts";
import type { Store } from "../store/store.ts";
import type { ModelVersion } from "../store/versions.ts";

type VersionReference = Pick<ModelVersion, "model" | "version">;

/** Versions that this process needs: those in memory, and those that unfinished jobs start from or have made. */
export async function referencedVersions(
  store: Store,
  live: readonly ModelStatus[],
  jobs: readonly Job[],
): Promise<VersionReference[]> {
  const loaded = live.flatMap(({ name, versions }) =>
    versions.map(({ version }) => ({ model: name, version: Number(version) })),
  );
  const unfinished = jobs.filter(({ state }) => !isTerminal(state));
  const made = unfinished.flatMap(({ modelVersion }) => {
    const [model, version] = modelVersion.split("@");
    return version === undefined ? [] : [{ model: model!, version: Number(version) }];
  });
  const starts = await Promise.all(
    unfinished.map(({ spec, startVersion }) =>
      startOf(store, ...referenceOf(startVersion === "" ? spec : { ...spec, init: startVersion })),
    ),
  );
  return [...loaded, ...made, ...starts.filter((version) => version !== undefined)];
}

/** The version a job starts from; undefined when there is none, which the job will be told. */
async function startOf(store: Store, model: string, reference: string): Promise<VersionReference | undefined> {
  try {
    return await store.resolve(model, reference);
  } catch (error) {
    if (error instanceof AlbertError && (error.code === "not-found" || error.code === "invalid-input"))
      return undefined;
    throw error;
  }
}
