import { deriveSeed } from "../../model/random.ts";

/**
 * Draws indices below `bound` with replacement: xoshiro128** (Blackman and Vigna, 2018), which is a few nanoseconds a draw
 * where a bootstrap makes tens of millions. Equal seeds draw equal indices.
 */
export function bootstrapRng(bound: number, seed: number): () => number {
  let [a, b] = deriveSeed("sample", seed, 0);
  let [c, d] = deriveSeed("sample", seed, 1);
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return Math.floor((result / 0x1_0000_0000) * bound);
  };
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
