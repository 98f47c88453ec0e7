import { reshape, type Tensor, type Tensor2D, tensor } from "@tensorflow/tfjs-core";
import type { ArrayTensor } from "../../src/model/checkpoint/checkpoint-reader.ts";
import type { TrunkInputs } from "../../src/model/forward/embeddings.ts";
import type { Variables } from "../../src/model/forward/variables.ts";
import type { Tensor as ParameterTensor } from "../../src/model/tensor.ts";

/** Fixture tensors, by name. */
export type FixtureTensors = ReadonlyMap<string, ArrayTensor>;

/** Parameters as TensorFlow.js tensors of the current backend. */
export function variablesOf(parameters: ReadonlyMap<string, ParameterTensor>): Variables {
  return new Map([...parameters].map(([name, { shape, data }]) => [name, tensor(data, [...shape])]));
}

/** One int32 or float32 fixture tensor. */
export function fixtureTensor<T extends Tensor>(fixtures: FixtureTensors, name: string, dtype?: "float32"): T {
  const found = fixtures.get(name);
  if (found === undefined) throw new Error(`the fixture has no tensor ${name}`);
  if (found.data instanceof BigInt64Array) throw new Error(`${name} is int64`);
  const kind = dtype ?? (found.data instanceof Int32Array ? "int32" : "float32");
  return tensor(found.data, [...found.shape], kind) as T;
}

/** The trunk's inputs of a fixture batch; leading axes are merged, as [B,4,S] of multiple choice. */
export function trunkInputs(fixtures: FixtureTensors): TrunkInputs {
  const length = fixtures.get("input_ids")!.shape.at(-1)!;
  const rows = (name: string, dtype?: "float32"): Tensor2D =>
    reshape(fixtureTensor(fixtures, name, dtype), [-1, length]);
  return { inputIds: rows("input_ids"), inputMask: rows("input_mask", "float32"), segmentIds: rows("segment_ids") };
}
