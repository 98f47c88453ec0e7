import { quantiseRows } from "../../model/formats/scaled-int8.ts";
import { dotProducts, type QuantisedVectors } from "./quantised.ts";
import { TopK } from "./top-k.ts";

// The vectors with the largest dot products, found by looking at every one.

/** Vectors that are compared before the next look whether the caller still waits: a few milliseconds of work. */
const AT_ONCE = 16_384;

/** One of the vectors that were looked for. */
export interface Neighbour {
  readonly index: number;
  /** Dot product with the query: the cosine, for vectors of length 1. */
  readonly similarity: number;
}

/**
 * The `count` nearest vectors, nearest first; of equal ones the first.
 *
 * @param query  [width]
 * @param pause  waits between stretches of work, and throws where nobody waits any more
 */
export async function nearest(
  vectors: QuantisedVectors,
  query: Float32Array,
  count: number,
  pause: () => Promise<void> = async () => {},
): Promise<Neighbour[]> {
  const { data, scales } = quantiseRows({ shape: [1, query.length], data: query });
  const quantised = { values: data, scale: scales.data[0]! };
  const total = vectors.scales.length;
  const products = new Float32Array(Math.min(AT_ONCE, total));
  const best = new TopK(Math.min(count, total));
  for (let from = 0; from < total; from += AT_ONCE) {
    if (from > 0) await pause();
    const to = Math.min(total, from + AT_ONCE);
    dotProducts(vectors, quantised, products, from, to);
    for (let i = 0; i < to - from; i++) best.offer(from + i, products[i]!);
  }
  return best.items().map(({ index, score }) => ({ index, similarity: score }));
}
