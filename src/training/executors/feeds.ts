import { dropoutKey } from "../../model/forward/dropout.ts";
import { sizeOf } from "../../model/tensor.ts";
import { hostTensor, type SessionTensor } from "../../runtime/session/training-session.ts";
import type { StepGraph } from "../step/step-graph.ts";
import type { Batch, StepOptions, StepSpec } from "../step/training-step.ts";
import { lossScales } from "./gradient-accumulation.ts";

// The inputs of step graphs, made from batches, seeds and weights of the loss.

/** A value for one input of a graph. */
export type Feed = readonly [name: string, tensor: SessionTensor];

/** A float32 scalar. */
export function scalar(value: number): SessionTensor {
  return hostTensor(Float32Array.of(value), []);
}

/** The batch's tensors as `batch/<name>`, over the batch's own memory. */
export function batchFeeds(batch: Batch): Feed[] {
  return Object.entries(batch).map(([name, { shape, data }]) => [`batch/${name}`, hostTensor(data, shape)]);
}

/** The keys of every dropout site of a graph, from the step's seed. */
export function dropoutFeeds({ dropoutColumns }: StepGraph, { seed }: StepOptions, microBatch: number): Feed[] {
  return dropoutColumns.map((columns, site) => [
    `dropout/${site}`,
    hostTensor(dropoutKey(seed, microBatch, site, columns), [8, columns]),
  ]);
}

/** The factors of `lossScales`, as `scale/<term>`. */
export function scaleFeeds(spec: StepSpec, microBatches: readonly Batch[]): Feed[] {
  return [...lossScales(spec.objective, microBatches)].map(([name, scale]) => [`scale/${name}`, scalar(scale)]);
}

/** The feeds of several steps with a leading axis of steps. */
export function stacked(steps: readonly (readonly Feed[])[]): Feed[] {
  return steps[0]!.map(([name, first], place) => {
    const shape = [steps.length, ...first.dims];
    const integers = first.type === "int32";
    const data = integers ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
    for (const [index, feeds] of steps.entries()) {
      // Equal signatures: the same inputs stand in the same places, with the same types.
      data.set(feeds[place]![1].data as Int32Array | Float32Array, index * sizeOf(first.dims));
    }
    return [name, hostTensor(data, shape)];
  });
}
