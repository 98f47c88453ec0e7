import { invalidInput } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { StartSpec } from "../training/starting-model.ts";
import type { ExecutorOptions } from "../training/step.ts";
import type { DataSource, JobSpec } from "./job-spec.ts";
import type { ResolveOrder } from "./thread-worker.ts";

export interface StoreJobsOptions {
  readonly store: Store;
  /** Features and tokenised text, which jobs share. */
  readonly cache: string;
  readonly executor: ExecutorOptions;
  readonly program: string;
  /** Absolute path of a file below a configured dataset root; refuses every other. */
  readonly resolvePath: (path: string) => Promise<string>;
}

/** Finds what specifications name in a store, and below the dataset roots. */
export function resolveFromStore(options: StoreJobsOptions): ResolveOrder {
  const { store, cache, executor, program } = options;
  return async (spec) => {
    const start = await startOf(spec, options);
    const train = spec.train && (await pathOf(spec.train, options));
    const evaluation = spec.eval && (await pathOf(spec.eval, options));
    return {
      ...(start === undefined ? {} : { start }),
      ...(train === undefined ? {} : { train }),
      ...(evaluation === undefined ? {} : { eval: evaluation }),
      cache,
      executor,
      program,
    };
  };

  async function startOf(spec: JobSpec, { resolvePath }: StoreJobsOptions): Promise<StartSpec | undefined> {
    const { random_init: architecture, vocabulary } = spec.recipe;
    if (architecture !== undefined && vocabulary !== undefined) {
      return { kind: "random", architecture, vocabulary: await resolvePath(vocabulary) };
    }
    if (spec.kind === "train-vocabulary") return undefined;
    const [model, reference] = referenceOf(spec);
    const version = await store.resolve(model, reference);
    return { kind: "checkpoint", path: await store.versions.materialise(version) };
  }
}

/** "name@7", "name/champion", or a number, alias or digest of the job's own model; empty: its champion. */
function referenceOf({ model, init }: JobSpec): readonly [model: string, reference: string] {
  const parts = init.split(/[@/]/);
  if (parts.length === 2) return [parts[0]!, parts[1]!];
  if (parts.length === 1) return [model, init];
  throw invalidInput([{ field: "spec.init", description: 'expected "name@7", "name/champion" or a digest' }]);
}

function pathOf(source: DataSource, { store, resolvePath }: StoreJobsOptions): Promise<string> {
  return source.kind === "dataset" ? store.datasets.materialise(source.digest) : resolvePath(source.path);
}
