import type { DataSource } from "../jobs/job-spec.ts";
import type { Datasets } from "../store/datasets.ts";
import { resolveBelow } from "./path-roots.ts";

/** Finds the files that callers name: stored datasets by digest, and files below the configured roots by path. */
export class DataFiles {
  readonly #datasets: Datasets;
  readonly #roots: readonly string[];

  constructor(datasets: Datasets, roots: readonly string[]) {
    this.#datasets = datasets;
    this.#roots = roots;
  }

  /**
   * A local path with the source's bytes, verified where the source is a digest.
   *
   * @param field  what the caller calls the source's path
   * @throws AlbertError not-found; invalid-input or forbidden for a path that leads out; corrupt for changed bytes
   */
  async resolve(source: DataSource, field: string): Promise<string> {
    return source.kind === "dataset"
      ? this.#datasets.materialise(await this.#datasets.whole(source.digest, field.replace(/path$/, "dataset")))
      : resolveBelow(this.#roots, source.path, field);
  }
}
