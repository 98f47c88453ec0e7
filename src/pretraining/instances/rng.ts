import { RandomStream, type Seed } from "../../model/random.ts";

// The random draws of instance creation, as an interface and from a seed.

/**
 * The random decisions of instance creation, in the form of the official script. Everything random goes through here, so
 * that a recorded run can be replayed draw by draw.
 */
export interface Rng {
  /** Uniform over [0, 1). */
  random(): number;
  /** Uniform over `first..last`, both included. */
  integer(first: number, last: number): number;
  /** A random order of n things: thing `order[i]` comes to place i. */
  order(n: number): number[];
  /** An index with the given probabilities, which add up to 1. */
  choice(probabilities: readonly number[]): number;
}

/** A generator that is a pure function of a seed, each draw from its own position of one counter-based stream. */
export class SeededRng implements Rng {
  readonly #stream: RandomStream;

  constructor(seed: Seed) {
    this.#stream = new RandomStream(seed);
  }

  random(): number {
    return this.#stream.float();
  }

  integer(first: number, last: number): number {
    return first + this.#stream.below(last - first + 1);
  }

  order(n: number): number[] {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let last = n - 1; last > 0; last--) {
      const other = this.#stream.below(last + 1);
      const swapped = order[last]!;
      order[last] = order[other]!;
      order[other] = swapped;
    }
    return order;
  }

  choice(probabilities: readonly number[]): number {
    const point = this.random();
    let sum = 0;
    for (let i = 0; i < probabilities.length - 1; i++) {
      sum += probabilities[i]!;
      if (point < sum) return i;
    }
    return probabilities.length - 1;
  }
}
