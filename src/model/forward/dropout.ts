import {
  cast,
  floor,
  greaterEqual,
  matMul,
  mul,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  tensor2d,
} from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./fused-kernels.ts";

// Dropout whose masks are a pure function of seed, step and place, so that every executor drops the same elements.

/** Randomness of one forward pass in training. */
export interface DropoutKeys {
  /**
   * The key of the next dropout site, in order of execution: float32 [8, columns], whole numbers below 1024, fresh for
   * every step and site.
   */
  next(columns: number): Tensor2D;
}

/** Zeroes elements of a tensor at a fixed probability and scales the others up; the identity outside training. */
export interface Dropout {
  apply<T extends Tensor>(x: T, probability: number): T;
}

/** Evaluation: nothing is dropped. */
export const NO_DROPOUT: Dropout = { apply: (x) => x };

/** Width of the number that each element's fate is drawn from. */
const KEY_LENGTH = 8;
const KEY_LIMIT = 1024;
const MODULUS = 65536;

/**
 * Dropout whose masks are a function of the keys alone, bit by bit the same on every device and backend.
 *
 * Element (row, column) is kept if <x_row, key_column> mod 65536 is at least probability * 65536, where x_row is a fixed
 * vector of eight whole numbers below 1024 and key_column one column of the site's key. All sums stay below 2^24, so that
 * float32 holds them exactly in whatever order a device adds (tensor cores' reduced precision included). Linear hashes with random
 * keys make any two elements independent, which dropout needs; a tensor of uniform numbers would cost far more.
 */
export function keyedDropout(keys: DropoutKeys): Dropout {
  return {
    apply<T extends Tensor>(x: T, probability: number): T {
      if (probability === 0) return x;
      const columns = x.shape.at(-1)!;
      const rows = x.size / columns;
      const hash: Tensor2D = matMul(rowVectors(rows), mul(keys.next(columns), 1 / MODULUS));
      const uniform: Tensor2D = sub(hash, floor(hash));
      return mul(x, reshape(keepMask(uniform, probability), x.shape)) as T;
    },
  };
}

function keepMask(uniform: Tensor2D, probability: number): Tensor2D {
  const scale = 1 / (1 - probability);
  if (hasFused("KeepMask")) return runFused("KeepMask", { x: uniform }, { threshold: probability, scale });
  return mul(cast(greaterEqual(uniform, probability), "float32"), scale);
}

/** The fixed vectors [rows, 8]: an avalanche hash of (row, place), cut to ten bits. */
function rowVectors(rows: number): Tensor2D {
  const values = Float32Array.from({ length: rows * KEY_LENGTH }, (_, index) => avalanche(index) % KEY_LIMIT);
  return tensor2d(values, [rows, KEY_LENGTH]);
}

/**
 * The key of one site: [8, columns] whole numbers below 1024, a hash of (seed, micro-batch, site, place).
 *
 * @param seed 64 bits as two 32-bit halves
 */
export function dropoutKey(
  seed: readonly [number, number],
  microBatch: number,
  site: number,
  columns: number,
): Float32Array {
  const stream = avalanche(avalanche(avalanche(avalanche(seed[0]) ^ seed[1]) ^ microBatch) ^ site);
  return Float32Array.from(
    { length: KEY_LENGTH * columns },
    (_, index) => avalanche(stream ^ avalanche(index)) % KEY_LIMIT,
  );
}

/** A 32-bit mixing function in which every bit of the input changes about half of the output's. */
function avalanche(value: number): number {
  let x = (value + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}
