// Vectors as whole numbers from -127 to 127 with one scale each (`quantiseRows` makes them), and their dot products.

/** Vectors of one width, one after the other. */
export interface QuantisedVectors {
  /** Numbers of one vector. */
  readonly width: number;
  /** [N, width] */
  readonly values: Int8Array;
  /** [N]; a vector is its numbers times its scale. */
  readonly scales: Float32Array;
}

/**
 * The dot products of one vector with vectors `from..to`, which are exact for the stored numbers.
 *
 * @param into  receives one for each, from its index 0 on
 */
export function dotProducts(
  { width, values, scales }: QuantisedVectors,
  query: { readonly values: Int8Array; readonly scale: number },
  into: Float32Array,
  from: number,
  to: number,
): void {
  const wanted = query.values;
  const unrolled = width - (width % 4);
  let at = from * width;
  for (let row = from; row < to; row++) {
    // A sum of whole numbers: at most 127 * 127 * width, far from what an int32 cannot hold.
    let sum = 0;
    let i = 0;
    for (; i < unrolled; i += 4, at += 4) {
      sum =
        (sum +
          Math.imul(values[at]!, wanted[i]!) +
          Math.imul(values[at + 1]!, wanted[i + 1]!) +
          Math.imul(values[at + 2]!, wanted[i + 2]!) +
          Math.imul(values[at + 3]!, wanted[i + 3]!)) |
        0;
    }
    for (; i < width; i++, at++) sum = (sum + Math.imul(values[at]!, wanted[i]!)) | 0;
    into[row - from] = sum * scales[row]! * query.scale;
  }
}
