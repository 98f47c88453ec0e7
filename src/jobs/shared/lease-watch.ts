// Tells whether the server that works on a job is alive, by the clock of whoever asks.

/** How long a server that works on a job may be silent, and how often it gives a sign of life. */
export interface LeaseTimes {
  /** Between two signs of life, in milliseconds. */
  readonly heartbeatMs: number;
  /** Whoever waits takes an owner for gone that gave no new sign for this long, in milliseconds. */
  readonly leaseMs: number;
}

/** What was seen last of a job's owner, and when. */
interface Seen {
  readonly mark: string;
  readonly atMs: number;
}

/**
 * Judges by its own clock alone whether the owners of jobs are alive: an owner is gone when this process has looked for a whole lease
 * and seen no new sign. No two clocks are compared, so none needs to be right. An owner that only was slow loses its job and nothing
 * else: what it writes afterwards is refused.
 */
export class LeaseWatch {
  readonly #leaseMs: number;
  readonly #clock: () => number;
  readonly #seen = new Map<string, Seen>();

  /** @param clock  milliseconds since some fixed moment; never set */
  constructor(leaseMs: number, clock: () => number) {
    this.#leaseMs = leaseMs;
    this.#clock = clock;
  }

  /** Now, by the clock of this process. */
  get nowMs(): number {
    return this.#clock();
  }

  /**
   * Takes in what was read about the owner of a job.
   *
   * @param mark      the owner's present mark, which changes with each sign and with each claim
   * @param beganMs  `nowMs` before the mark was read: where this process is suspended meanwhile, what it reads is younger than it
   *   thinks, never older
   * @returns whether the owner is gone
   */
  isGone(jobId: string, mark: string, beganMs: number): boolean {
    const seen = this.#seen.get(jobId);
    if (seen?.mark === mark) return beganMs - seen.atMs > this.#leaseMs;
    this.#seen.set(jobId, { mark, atMs: this.#clock() });
    return false;
  }

  /** Forgets jobs that nobody owns. */
  keepOnly(jobIds: ReadonlySet<string>): void {
    for (const id of this.#seen.keys()) if (!jobIds.has(id)) this.#seen.delete(id);
  }

  /** Milliseconds since the last new sign that this process saw; undefined where it saw none yet. */
  silentMs(jobId: string): number | undefined {
    const seen = this.#seen.get(jobId);
    return seen === undefined ? undefined : this.#clock() - seen.atMs;
  }
}
