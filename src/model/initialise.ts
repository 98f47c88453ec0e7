import { isDeepStrictEqual } from "node:util";
import { invariant } from "../errors.ts";
import type { AlbertConfig } from "./config.ts";
import type { Head } from "./heads.ts";
import { headParameters, type ParameterSpec, trunkParameters } from "./parameters.ts";
import { deriveSeed, RandomStream } from "./random.ts";
import { type Parameters, sizeOf, type Tensor } from "./tensor.ts";

// The starting values of parameters, as the official code draws them.

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

/** What a training starts from, and which of it no checkpoint has seen. */
export interface StartingParameters {
  readonly parameters: Map<string, Tensor>;
  /** Names of the parameters drawn from the seed. */
  readonly initialised: readonly string[];
}

/**
 * Parameters for training `heads` on the trunk of a model. A head that the model has just like this (name, kind, labels)
 * keeps its weights; any other starts from its initial values, and so does a pooler that is all zero because its
 * checkpoint had none. Tensors are shared with the model, not copied.
 */
export function parametersForHeads(
  model: { readonly config: AlbertConfig; readonly heads: readonly Head[]; readonly parameters: Parameters },
  heads: readonly Head[],
  seed: number,
): StartingParameters {
  const parameters = new Map<string, Tensor>();
  const initialised: string[] = [];
  const start = (spec: ParameterSpec, fresh: boolean) => {
    const existing = model.parameters.get(spec.name);
    invariant(fresh || existing !== undefined, `parameter ${spec.name} is absent`);
    parameters.set(spec.name, fresh ? initialiseParameter(spec, seed) : existing!);
    if (fresh) initialised.push(spec.name);
  };
  const poolerAbsent = model.parameters.get("bert/pooler/dense/kernel")?.data.every((value) => value === 0) ?? true;
  for (const spec of trunkParameters(model.config)) {
    start(spec, poolerAbsent && spec.name.startsWith("bert/pooler/"));
  }
  for (const head of heads) {
    const known = model.heads.some((other) => isDeepStrictEqual(other, head));
    for (const spec of headParameters(model.config, head)) start(spec, !known);
  }
  return { parameters, initialised };
}

function fillTruncatedNormal(data: Float32Array, stddev: number, random: RandomStream): void {
  let at = 0;
  while (at < data.length) {
    for (const value of random.normalPair()) {
      if (Math.abs(value) <= 2 && at < data.length) data[at++] = value * stddev;
    }
  }
}
