import type { Tensor } from "@tensorflow/tfjs-core";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import type { TracedType } from "../../../src/graph/trace/recorder.ts";
import { type Feeds, toGraph, trace } from "../../../src/graph/trace/trace.ts";
import { floatValues, hostTensor, TrainingSession } from "../../../src/runtime/session/training-session.ts";

/** A value to feed: float32 or int32 by its array. */
export interface Fed {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export type FedValues = Readonly<Record<string, Fed>>;

/** A function of named tensors that runs on any TensorFlow.js backend. Outputs must be float32. */
export type TensorFunction = (inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>;

/** Traces a function for inputs like these, and returns how to run it on ONNX Runtime. */
export async function traced(
  example: FedValues,
  run: TensorFunction,
): Promise<{ run: (fed: FedValues) => Promise<Record<string, number[]>>; close: () => Promise<void> }> {
  const graph = trace("cpu", (feeds: Feeds) => {
    const inputs = Object.entries(example).map(([name, { shape, data }]) => {
      const dtype: TracedType = data instanceof Int32Array ? "int32" : "float32";
      return [name, feeds.input(name, shape, dtype)] as const;
    });
    return run(Object.fromEntries(inputs));
  });
  const session = await TrainingSession.open(encodeModel(toGraph("test", graph)).bytes, { device: "cpu", threads: 1 });
  return {
    run: async (fed) => {
      const inputs = graph.inputs.map(({ name }) => [name, hostTensor(fed[name]!.data, fed[name]!.shape)] as const);
      const outputs = Object.fromEntries(graph.outputs.map(({ name }) => [name, null]));
      const results = await session.run(Object.fromEntries(inputs), outputs);
      return Object.fromEntries(graph.outputs.map(({ name }) => [name, Array.from(floatValues(results[name]!))]));
    },
    close: () => session.close(),
  };
}
