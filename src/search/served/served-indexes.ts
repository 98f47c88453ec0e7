import { indexNotFound } from "./errors.ts";
import { type IndexStatus, ServedIndex, type ServedIndexOptions } from "./served-index.ts";

/** How often files are looked at, unless a test is in a hurry. */
const INTERVAL_MS = 2000;

/** The indexes of a server, by name. Each lives by itself: what befalls a file costs that index only. */
export class ServedIndexes {
  readonly #indexes: ReadonlyMap<string, ServedIndex>;

  constructor(
    files: readonly Pick<ServedIndexOptions, "name" | "file">[],
    options: Pick<ServedIndexOptions, "onChange" | "onError"> & { readonly intervalMs?: number },
  ) {
    const { onChange, onError, intervalMs = INTERVAL_MS } = options;
    this.#indexes = new Map(
      files.map(({ name, file }) => [name, new ServedIndex({ name, file, intervalMs, onChange, onError })]),
    );
  }

  /** Reads all of them, side by side. @returns when each has been tried once. Never rejects. */
  async begin(): Promise<void> {
    await Promise.all([...this.#indexes.values()].map((index) => index.begin()));
  }

  /** In the order in which they were given. */
  list(): IndexStatus[] {
    return [...this.#indexes.values()].map(({ status }) => status);
  }

  /** @throws AlbertError not-found (INDEX_NOT_FOUND) */
  find(name: string): ServedIndex {
    const index = this.#indexes.get(name);
    if (index === undefined) throw indexNotFound(name, [...this.#indexes.keys()]);
    return index;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#indexes.values()].map((index) => index.close()));
  }
}
