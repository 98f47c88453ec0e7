import type { Decision } from "../../tasks/task-request.ts";

// How far the answers of champion and challenger agree. It computes no answers, and keeps none.

/** Paired comparison of champion and challenger on the same requests, so far. */
export interface Comparison {
  readonly compared: number;
  readonly disagreed: number;
  /** Requests the challenger failed to answer although the champion did. */
  readonly failed: number;
  /** Population stability index between the score distributions; 0: alike, above 0.25: shifted. */
  readonly scoreShift: number;
}

const BINS = 10;

/** Keeps each empty bin from making the index infinite. */
const SMOOTHING = 0.5;

/** Collects pairs of decisions on the same request. Memory does not grow with their number. */
export class PairedComparison {
  #compared = 0;
  #disagreed = 0;
  #failed = 0;
  readonly #champion = new Float64Array(BINS);
  readonly #challenger = new Float64Array(BINS);

  /** @returns whether the two agree */
  add(champion: Decision, challenger: Decision): boolean {
    const agreed = champion.choice === challenger.choice;
    this.#compared++;
    if (!agreed) this.#disagreed++;
    this.#champion[bin(champion.score)]!++;
    this.#challenger[bin(challenger.score)]!++;
    return agreed;
  }

  addFailure(): void {
    this.#failed++;
  }

  get summary(): Comparison {
    return {
      compared: this.#compared,
      disagreed: this.#disagreed,
      failed: this.#failed,
      scoreShift: this.#stability(),
    };
  }

  /** Sum over bins of (q - p) ln(q / p), p and q being the shares of champion and challenger. */
  #stability(): number {
    if (this.#compared === 0) return 0;
    const share = (count: number) => (count + SMOOTHING) / (this.#compared + SMOOTHING * BINS);
    let index = 0;
    for (let i = 0; i < BINS; i++) {
      const p = share(this.#champion[i]!);
      const q = share(this.#challenger[i]!);
      index += (q - p) * Math.log(q / p);
    }
    return index;
  }
}

function bin(score: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.floor(score * BINS)));
}
