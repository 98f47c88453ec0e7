import { add, div, maximum, type Scalar, scalar, sqrt, square, sum, type Tensor } from "@tensorflow/tfjs-core";

/** sqrt of the sum of all squares: the norm of the gradients as one vector. */
export function globalNorm(gradients: Iterable<Tensor>): Scalar {
  let total: Scalar = scalar(0);
  for (const gradient of gradients) total = add(total, sum(square(gradient)));
  return sqrt(total);
}

/** The factor that brings gradients of this norm down to `clipNorm`; 1 for smaller ones, and always for clipNorm 0. */
export function clipScale(norm: Scalar, clipNorm: number): Scalar {
  return clipNorm === 0 ? scalar(1) : div(clipNorm, maximum(norm, clipNorm));
}
