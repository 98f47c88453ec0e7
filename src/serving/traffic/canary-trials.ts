// What this process counts of a canary: failures and slow answers of both versions, and how often they differ. It judges nothing.

/** The two versions among which the requests for a name are divided. */
export type Arm = "champion" | "challenger";

/** Outcomes so far. A type, not an interface: other rooms add such numbers up by name. */
export type CanaryCounts = {
  readonly [A in `${Arm}Requests` | `${Arm}Failed` | `${Arm}Timed` | `${Arm}Slow` | "compared" | "disagreed"]: number;
};

export const NO_COUNTS: CanaryCounts = {
  championRequests: 0,
  championFailed: 0,
  championTimed: 0,
  championSlow: 0,
  challengerRequests: 0,
  challengerFailed: 0,
  challengerTimed: 0,
  challengerSlow: 0,
  compared: 0,
  disagreed: 0,
};

/** Keys that are remembered; a key that was forgotten counts once more. */
const REMEMBERED = 100_000;

/** The champion's answers after which it is known what slow is. */
const ANSWERS_TO_LEARN_FROM = 50;

/** Of the champion's answers, this share is slow by definition. */
const SLOW_SHARE = 0.1;

/**
 * Counts requests while a canary runs. Each key counts once: which version a key gets is drawn by lot, and its requests all get
 * that one, so only different keys tell the versions apart. An answer is slow when it took longer than nine tenths of the
 * champion's first answers in this process.
 */
export class CanaryTrials {
  readonly #seen = new Set<number>();
  readonly #learned: number[] = [];
  readonly #counts: { -readonly [K in keyof CanaryCounts]: number } = { ...NO_COUNTS };
  #slowMs: number | undefined;

  get counts(): CanaryCounts {
    return { ...this.#counts };
  }

  /**
   * A request that an arm will answer.
   *
   * @param place  of its key
   * @returns undefined where that key has counted before
   */
  begin(arm: Arm, place: number): Trial | undefined {
    if (this.#seen.has(place)) return undefined;
    this.#seen.add(place);
    const [oldest] = this.#seen;
    if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
    return {
      arm,
      answered: (tookMs) => this.#answered(arm, tookMs),
      failed: () => {
        this.#counts[`${arm}Requests`]++;
        this.#counts[`${arm}Failed`]++;
      },
      compared: (agreed) => {
        this.#counts.compared++;
        if (!agreed) this.#counts.disagreed++;
      },
    };
  }

  #answered(arm: Arm, tookMs: number): void {
    this.#counts[`${arm}Requests`]++;
    if (this.#slowMs !== undefined) {
      this.#counts[`${arm}Timed`]++;
      if (tookMs > this.#slowMs) this.#counts[`${arm}Slow`]++;
    } else if (arm === "champion" && this.#learned.push(tookMs) === ANSWERS_TO_LEARN_FROM) {
      this.#slowMs = this.#learned.sort((a, b) => a - b)[Math.floor((1 - SLOW_SHARE) * this.#learned.length)];
      this.#learned.length = 0;
    }
  }
}

/** One request that counts. Exactly one of `answered` and `failed` is called, or neither for one that tells nothing. */
export interface Trial {
  readonly arm: Arm;
  answered(tookMs: number): void;
  failed(): void;
  /** The other version has answered it too. */
  compared(agreed: boolean): void;
}
