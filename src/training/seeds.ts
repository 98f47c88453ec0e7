/** A 64-bit seed as two unsigned 32-bit halves, high first. */
export type Seed = readonly [number, number];

/**
 * What a seed is for. Streams of one run never overlap, and adding a stream changes none of the others, so a recorded
 * run can always be repeated.
 */
const STREAMS = { order: 1, bucket: 2, steps: 3, dropout: 4, initialization: 5, split: 6 } as const;
export type SeedStream = keyof typeof STREAMS;

/** The seed of one use within a run: a pure function of the run's seed, the stream and the position in the stream. */
export function deriveSeed(seed: number, stream: SeedStream, ...position: readonly number[]): Seed {
  let state = mix(BigInt(seed) & MASK);
  for (const part of [STREAMS[stream], ...position]) state = mix((state ^ BigInt(part)) & MASK);
  return [Number(state >> 32n), Number(state & 0xffffffffn)];
}

/**
 * The numbers 0..count-1 in an order that depends on the seed alone: a Fisher-Yates shuffle drawn from a counter, so
 * no generator state exists that a checkpoint would have to hold.
 */
export function shuffled(count: number, seed: Seed): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const chosen = below(last + 1, seed, last);
    const held = order[last]!;
    order[last] = order[chosen]!;
    order[chosen] = held;
  }
  return order;
}

const MASK = 0xffff_ffff_ffff_ffffn;

/** SplitMix64's output function: every bit of the input reaches every bit of the output. */
function mix(value: bigint): bigint {
  let z = (value + 0x9e37_79b9_7f4a_7c15n) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
  return z ^ (z >> 31n);
}

/** An integer in [0, bound) from one counter value; the bias of 2^-32 * bound is far below one example in a data set. */
function below(bound: number, [high, low]: Seed, counter: number): number {
  let x = Math.imul(counter ^ high, 0x9e37_79b1) ^ low;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35) ^ high;
  x = Math.imul(x ^ (x >>> 16), 0x7feb_352d);
  x = Math.imul(x ^ (x >>> 15), 0x846c_a68b);
  return Math.floor((((x ^ (x >>> 16)) >>> 0) / 0x1_0000_0000) * bound);
}
