// Percentiles of recent latencies, for swap reports. It forgets: metrics have the long view.

/**
 * When recent requests ended and how long they took, for percentiles over a stretch of time. Bounded: the oldest
 * are forgotten.
 */
export class Latencies {
  readonly #capacity: number;
  readonly #ended: Float64Array;
  readonly #tookMs: Float64Array;
  #count = 0;

  constructor(capacity = 8192) {
    this.#capacity = capacity;
    this.#ended = new Float64Array(capacity);
    this.#tookMs = new Float64Array(capacity);
  }

  record(endedAt: number, tookMs: number): void {
    this.#ended[this.#count % this.#capacity] = endedAt;
    this.#tookMs[this.#count % this.#capacity] = tookMs;
    this.#count++;
  }

  /**
   * Nearest-rank percentile of the requests that ended in `from <= moment < to`.
   *
   * @returns undefined when none did
   */
  percentile(percent: number, from: number, to: number): number | undefined {
    const took: number[] = [];
    for (let i = 0; i < Math.min(this.#count, this.#capacity); i++) {
      if (this.#ended[i]! >= from && this.#ended[i]! < to) took.push(this.#tookMs[i]!);
    }
    took.sort((a, b) => a - b);
    return took[Math.max(0, Math.ceil((percent / 100) * took.length) - 1)];
  }
}
