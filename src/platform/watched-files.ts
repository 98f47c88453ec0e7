import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

// Notices changes of a few small files by reading them again. It does not interpret them.

/** What becomes of files that change, and how often they are looked at. */
export interface WatchOptions {
  readonly intervalMs: number;
  /** Takes the new contents, in the order of the paths. What it throws leaves the old ones in force until the files change again. */
  readonly onChange: (contents: readonly Buffer[]) => void;
  /** Hears once of each new failure: files that cannot be read, contents that `onChange` refused. */
  readonly onError: (error: unknown) => void;
}

/**
 * Looks at the contents of a few small files again and again. Contents tell what times and names of files do not: Kubernetes
 * replaces a folder behind a symbolic link, other programs rename or write in place. Contents that were refused are tried at
 * every look, because a file and its partner may be replaced one after the other.
 */
export class WatchedFiles {
  readonly #paths: readonly string[];
  readonly #options: WatchOptions;
  readonly #closed = new AbortController();
  #contents: readonly Buffer[];
  #lastFailure = "";

  private constructor(paths: readonly string[], contents: readonly Buffer[], options: WatchOptions) {
    this.#paths = paths;
    this.#contents = contents;
    this.#options = options;
  }

  /** Reads the files and gives them to `onChange`. @throws what reading them, or `onChange`, threw */
  static async open(paths: readonly string[], options: WatchOptions): Promise<WatchedFiles> {
    const contents = await readAll(paths);
    options.onChange(contents);
    const watched = new WatchedFiles(paths, contents, options);
    void watched.#run();
    return watched;
  }

  /** Looks now instead of at the next interval. */
  async check(): Promise<void> {
    try {
      const contents = await readAll(this.#paths);
      if (this.#closed.signal.aborted || contents.every((content, index) => content.equals(this.#contents[index]!)))
        return;
      this.#options.onChange(contents);
      this.#contents = contents;
      this.#lastFailure = "";
    } catch (error) {
      const failure = String(error);
      if (failure !== this.#lastFailure) this.#options.onError(error);
      this.#lastFailure = failure;
    }
  }

  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.check();
    }
  }
}

function readAll(paths: readonly string[]): Promise<Buffer[]> {
  return Promise.all(paths.map((path) => readFile(path)));
}
