import type { Rng } from "./rng.ts";

const STATE_WORDS = 624;
const SHIFT_WORDS = 397;

/** The Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), the generator of Python's `random` and old NumPy. */
class MersenneTwister {
  readonly #state = new Uint32Array(STATE_WORDS);
  #next = STATE_WORDS;

  /** Seeds with one 32-bit number, as `numpy.random.seed` does. */
  static fromNumber(seed: number): MersenneTwister {
    const twister = new MersenneTwister();
    twister.#initialise(seed);
    return twister;
  }

  /** Seeds with a key of 32-bit words, as `random.Random(integer)` does. */
  static fromKey(key: readonly number[]): MersenneTwister {
    const twister = MersenneTwister.fromNumber(19650218);
    const state = twister.#state;
    let i = 1;
    let j = 0;
    for (let k = Math.max(STATE_WORDS, key.length); k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1664525)) + key[j]! + j;
      if (++i >= STATE_WORDS) {
        state[0] = state[STATE_WORDS - 1]!;
        i = 1;
      }
      if (++j >= key.length) j = 0;
    }
    for (let k = STATE_WORDS - 1; k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1566083941)) - i;
      if (++i >= STATE_WORDS) {
        state[0] = state[STATE_WORDS - 1]!;
        i = 1;
      }
    }
    state[0] = 0x80000000;
    return twister;
  }

  uint32(): number {
    if (this.#next >= STATE_WORDS) this.#twist();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Uniform over [0, 1) with 53 bits. */
  double(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  #initialise(seed: number): void {
    this.#state[0] = seed;
    for (let i = 1; i < STATE_WORDS; i++) {
      const before = this.#state[i - 1]! ^ (this.#state[i - 1]! >>> 30);
      this.#state[i] = Math.imul(before, 1812433253) + i;
    }
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < STATE_WORDS; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % STATE_WORDS]! & 0x7fffffff);
      state[i] = state[(i + SHIFT_WORDS) % STATE_WORDS]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/**
 * The draws of the official script, number for number: `random.Random(random_seed)` for everything but the lengths of
 * n-grams, which come from NumPy's global generator. The script never seeds the latter; here it has a seed of its own.
 */
export class PythonRng implements Rng {
  readonly #random: MersenneTwister;
  readonly #numpy: MersenneTwister;

  /** @param seeds non-negative integers below 2^53 (`random`) and 2^32 (`numpy`) */
  constructor(seeds: { readonly random: number; readonly numpy: number }) {
    const high = Math.floor(seeds.random / 0x1_0000_0000);
    this.#random = MersenneTwister.fromKey(high > 0 ? [seeds.random >>> 0, high] : [seeds.random]);
    this.#numpy = MersenneTwister.fromNumber(seeds.numpy);
  }

  random(): number {
    return this.#random.double();
  }

  integer(first: number, last: number): number {
    return first + this.#below(last - first + 1);
  }

  order(n: number): number[] {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let last = n - 1; last > 0; last--) {
      const other = this.#below(last + 1);
      const swapped = order[last]!;
      order[last] = order[other]!;
      order[other] = swapped;
    }
    return order;
  }

  choice(probabilities: readonly number[]): number {
    const cumulative: number[] = [];
    let sum = 0;
    for (const probability of probabilities) {
      sum += probability;
      cumulative.push(sum);
    }
    const point = this.#numpy.double();
    const index = cumulative.findIndex((bound) => point < bound / sum);
    return index < 0 ? probabilities.length - 1 : index;
  }

  /** Uniform over 0..bound-1 by rejecting numbers of as many bits as `bound` has; bound < 2^32. */
  #below(bound: number): number {
    const bits = 32 - Math.clz32(bound);
    for (;;) {
      const value = this.#random.uint32() >>> (32 - bits);
      if (value < bound) return value;
    }
  }
}
