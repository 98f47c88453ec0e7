import { createHash } from "node:crypto";

// Counter-based randomness: every number is a pure function of a 64-bit seed and an index, so whatever is drawn can be
// drawn again from its position alone. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", 2011).

/** A 64-bit seed as two unsigned 32-bit halves. */
export type Seed = readonly [number, number];

/**
 * A seed for one purpose, such as `deriveSeed(jobSeed, "order", epoch)`. Different parts give unrelated seeds; a part's
 * type counts (1 is not "1"), and so do the borders between parts.
 */
export function deriveSeed(...parts: readonly (string | number | bigint)[]): Seed {
  const text = JSON.stringify(parts.map((part) => (typeof part === "bigint" ? { bigint: `${part}` } : part)));
  const digest = createHash("sha256").update(text).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/**
 * One block of Philox4x32-10: four unsigned 32-bit numbers for a 128-bit counter.
 *
 * @param counter  four words, least significant first
 */
export function philox(
  seed: Seed,
  counter: readonly [number, number, number, number],
): [number, number, number, number] {
  let [k0, k1] = seed;
  let [c0, c1, c2, c3] = counter;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** Upper 32 bits of the unsigned product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}

/** The `index`-th unsigned 32-bit number of a seed's stream; index < 2^53. */
export function uint32At(seed: Seed, index: number): number {
  const block = Math.floor(index / 4);
  return philox(seed, [block >>> 0, Math.floor(block / 0x1_0000_0000), 0, 0])[index % 4]!;
}

/** Reads a seed's stream in order. Cheap to make; two streams of one seed give the same numbers. */
export class RandomStream {
  readonly #seed: Seed;
  #block: readonly number[] = [];
  #index: number;

  /** @param index  how many 32-bit numbers of the stream to leave out */
  constructor(seed: Seed, index = 0) {
    this.#seed = seed;
    this.#index = index;
  }

  /** How many 32-bit numbers have been read, counting those left out at the start. */
  get index(): number {
    return this.#index;
  }

  /** Uniform over 0 .. 2^32 - 1. */
  uint32(): number {
    const within = this.#index % 4;
    if (within === 0 || this.#block.length === 0) {
      const block = Math.floor(this.#index / 4);
      this.#block = philox(this.#seed, [block >>> 0, Math.floor(block / 0x1_0000_0000), 0, 0]);
    }
    this.#index++;
    return this.#block[within]!;
  }

  /** Uniform over [0, 1), a multiple of 2^-32. */
  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Uniform over 0 .. bound - 1 without bias; 1 <= bound <= 2^32. */
  below(bound: number): number {
    const accepted = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < accepted) return value % bound;
    }
  }

  /** Two independent standard normal values (Box-Muller). */
  normalPair(): [number, number] {
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 0x1_0000_0000)); // the argument is in (0, 1]
    const angle = 2 * Math.PI * this.float();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  }
}

/** The numbers 0 .. n-1 in an order that is a pure function of the seed (Fisher-Yates); n <= 2^32. */
export function permutation(n: number, seed: Seed): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const random = new RandomStream(seed);
  for (let last = n - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const swapped = order[last]!;
    order[last] = order[other]!;
    order[other] = swapped;
  }
  return order;
}
