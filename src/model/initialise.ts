import type { ParameterSpec } from "./parameters.ts";
import { deriveSeed, RandomStream } from "./random.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/**
 * Starting values of one parameter as the official code draws them: a pure function of (seed, parameter name), so that
 * adding a head or changing the order of parameters changes no other parameter.
 */
export function initialiseParameter({ name, shape, initializer }: ParameterSpec, seed: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  switch (initializer.kind) {
    case "zeros":
      break;
    case "ones":
      data.fill(1);
      break;
    case "truncated-normal":
      fillTruncatedNormal(data, initializer.stddev, new RandomStream(deriveSeed(seed, "initialise", name)));
      break;
  }
  return { shape, data };
}

/** Starting values of every parameter listed. */
export function initialiseParameters(specs: readonly ParameterSpec[], seed: number): Map<string, Tensor> {
  return new Map(specs.map((spec) => [spec.name, initialiseParameter(spec, seed)]));
}

function fillTruncatedNormal(data: Float32Array, stddev: number, random: RandomStream): void {
  let at = 0;
  while (at < data.length) {
    for (const value of random.normalPair()) {
      if (Math.abs(value) <= 2 && at < data.length) data[at++] = value * stddev;
    }
  }
}
