import { setTimeout as delay } from "node:timers/promises";
import { freeDiskBytes, isSystemFault } from "../platform/disk-space.ts";

// What jobs do when the disk is full: what must be written is written when there is room again, and a job that could not
// go on for want of room goes on then.

/** How jobs meet a full disk; tests turn it by hand. */
export interface FullDiskOptions {
  /** Between two attempts to write what must be written, in milliseconds. Default 5 seconds. */
  readonly retryMs?: number;
  /** Between two looks at the disk while a job waits for room, in milliseconds. Default 30 seconds. */
  readonly watchMs?: number;
  /** Bytes that are free on the disk of a directory. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

const RETRY_MS = 5000;
const WATCH_MS = 30_000;

/** Room that must have come free since a job began to wait, before it is tried again. */
const ROOM_BYTES = 64 << 20;

/**
 * Runs a write until it does not meet a disk that is full or fails, or a system without room for another open file.
 *
 * @throws whatever else the write throws; the system's error once the signal is aborted
 */
export async function untilWritten<T>(
  write: () => Promise<T>,
  signal: AbortSignal,
  { retryMs = RETRY_MS }: FullDiskOptions,
): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isSystemFault(error) || signal.aborted) throw error;
      await delay(retryMs, undefined, { signal, ref: false }).catch(() => {}); // aborted: one last attempt
    }
  }
}

/** Jobs that wait for room on the disk, and the watch over it. */
export class RoomWatch {
  readonly #directory: string;
  readonly #options: FullDiskOptions;
  readonly #onRoom: (jobIds: readonly string[]) => void;
  readonly #stop: () => void;
  /** Free bytes when each job began to wait. */
  readonly #waiting = new Map<string, number>();

  /**
   * @param directory  of the jobs
   * @param every   calls back at an interval until the returned function is called
   * @param onRoom  told of the jobs for which room has come free since they began to wait
   */
  constructor(
    directory: string,
    options: FullDiskOptions,
    every: (milliseconds: number, callback: () => void) => () => void,
    onRoom: (jobIds: readonly string[]) => void,
  ) {
    this.#directory = directory;
    this.#options = options;
    this.#onRoom = onRoom;
    this.#stop = every(options.watchMs ?? WATCH_MS, () => void this.#look());
  }

  /** Lets a job wait for more room than there is now. */
  async add(jobId: string): Promise<void> {
    this.#waiting.set(jobId, await this.#free());
  }

  close(): void {
    this.#stop();
  }

  async #look(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const free = await this.#free();
    const ready = [...this.#waiting].filter(([, before]) => free >= before + ROOM_BYTES).map(([jobId]) => jobId);
    for (const jobId of ready) this.#waiting.delete(jobId);
    if (ready.length > 0) this.#onRoom(ready);
  }

  /** Unknown counts as none: the next look may know. */
  #free(): Promise<number> {
    return (this.#options.freeBytes ?? freeDiskBytes)(this.#directory).catch(() => 0);
  }
}
