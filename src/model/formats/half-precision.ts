// IEEE half precision ("F16"): one sign bit, five of exponent, ten of fraction.

/** The largest finite half. */
export const LARGEST_HALF = 65504;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest half of each value, ties to even, as bits. What is beyond the largest half becomes infinite. */
export function toHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfBits);
}

function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // not a number
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and more round to infinity
  // Below the smallest normal half, a half counts in steps of 2^-24: adding 0.5 shifts the fraction there and rounds it.
  if (magnitude < 0x38800000) {
    float[0] = Math.abs(value) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}
