import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AlbertError } from "../../errors.ts";
import type { IndexSummary } from "../index/search-index.ts";
import { indexUnavailable } from "./errors.ts";
import { OpenIndex } from "./open-index.ts";

// One index of a server: kept as new as its file, and answering from what was last read while that cannot be.

/** What is known of an index. */
export interface IndexStatus {
  readonly name: string;
  readonly state: "loading" | "serving" | "failed";
  /** Reason of the last failure to read its file, until a later reading succeeds. */
  readonly failure?: string;
  /** Of what answers. */
  readonly summary?: IndexSummary;
}

export interface ServedIndexOptions {
  readonly name: string;
  readonly file: string;
  /** How often the file is looked at. */
  readonly intervalMs: number;
  /** Called on every change. */
  readonly onChange: (status: IndexStatus) => void;
  /** Hears once of each new failure. */
  readonly onError: (name: string, error: unknown) => void;
}

/** An unchanged file that could not be read is tried again with growing pauses, for its disk may come back. */
const LONGEST_PAUSE_MS = 60_000;

export class ServedIndex {
  readonly #options: ServedIndexOptions;
  readonly #closed = new AbortController();
  #open: OpenIndex | undefined;
  /** What the file looked like that is open, and that which could not be read. */
  #openMark: string | undefined;
  #failedMark: string | undefined;
  #failure: { readonly reason: string; readonly text: string } | undefined;
  #pauseMs = 0;
  #retryAt = 0;
  #looking: Promise<void> | undefined;

  constructor(options: ServedIndexOptions) {
    this.#options = options;
  }

  get status(): IndexStatus {
    const { name } = this.#options;
    const failure = this.#failure === undefined ? {} : { failure: this.#failure.reason };
    if (this.#open !== undefined) return { name, state: "serving", ...failure, summary: this.#open.summary };
    return { name, state: this.#failure === undefined ? "loading" : "failed", ...failure };
  }

  /** What answers now. @throws AlbertError unavailable (INDEX_UNAVAILABLE) */
  get opened(): OpenIndex {
    if (this.#open !== undefined) return this.#open;
    throw indexUnavailable(this.#options.name, this.#failure?.reason);
  }

  /** Reads the file for the first time, then again whenever it has changed. @returns when it has been tried once. Never rejects. */
  async begin(): Promise<void> {
    await this.look();
    void this.#run();
  }

  /** Looks at the file now instead of at the next interval; one look at a time. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([this.#open?.close(true), this.#looking]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.look();
    }
  }

  async #look(): Promise<void> {
    let mark: string | undefined;
    try {
      mark = await markOf(this.#options.file);
      if (this.#open !== undefined && mark === this.#openMark) return this.#recovered();
      if (mark === this.#failedMark && performance.now() < this.#retryAt) return;
      const { signal } = this.#closed;
      const opened = await OpenIndex.open(this.#options.file, signal);
      if (signal.aborted) return void opened.close(true);
      this.#use(opened, mark);
    } catch (error) {
      this.#failedMark = mark;
      this.#fail(error);
    }
  }

  #use(opened: OpenIndex, mark: string): void {
    const before = this.#open;
    this.#open = opened;
    this.#openMark = mark;
    this.#failedMark = undefined;
    this.#pauseMs = 0;
    void opened.ended.then(() => {
      if (this.#open !== opened || this.#closed.signal.aborted) return;
      this.#open = undefined;
      this.#fail(new AlbertError("backend", "the thread that held the index ended", { reason: "THREAD_LOST" }));
    });
    void before?.close();
    this.#failure = undefined;
    this.#options.onChange(this.status);
  }

  /** The file that is open is there again. */
  #recovered(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.onChange(this.status);
  }

  #fail(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const { intervalMs, name, onChange, onError } = this.#options;
    this.#pauseMs = Math.min(Math.max(intervalMs, 2 * this.#pauseMs), LONGEST_PAUSE_MS);
    this.#retryAt = performance.now() + this.#pauseMs;
    const text = String(error);
    const news = text !== this.#failure?.text;
    this.#failure = { reason: reasonOf(error), text };
    if (news) onError(name, error);
    onChange(this.status);
  }
}

/** What tells a file from the one that was there before, without reading it: indexes may have gigabytes. */
async function markOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

function reasonOf(error: unknown): string {
  return error instanceof AlbertError ? error.reason : "FILE_NOT_READABLE";
}
