import { invalidInput } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import { type LossTerm, lossTerms, type Objective } from "../objectives.ts";
import type { Batch } from "../step.ts";
import type { BatchSignature } from "../step-graph.ts";

/**
 * What a batch looks like; batches with equal signatures run through the same graph.
 *
 * @throws AlbertError invalid-input when a tensor's data does not fill its shape
 */
export function batchSignature(batch: Batch): BatchSignature {
  const entries = Object.entries(batch).map(([name, { shape, data }]) => {
    if (data.length !== sizeOf(shape)) {
      throw invalidInput([{ field: name, description: `shape [${shape}] does not hold ${data.length} values` }]);
    }
    return [name, { shape, dtype: data instanceof Int32Array ? "int32" : "float32" }] as const;
  });
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * For each loss term 1 / (sum of weights over all micro-batches + epsilon), or 0 where nothing has weight. Scaled by it,
 * the micro-batches' losses and gradients simply add up to those of the window as one batch.
 */
export function lossScales(objective: Objective, microBatches: readonly Batch[]): Map<LossTerm["name"], number> {
  return new Map(
    lossTerms(objective).map(({ name, weights, epsilon }) => {
      let total = 0;
      for (const batch of microBatches) {
        const tensor = batch[weights];
        if (tensor === undefined) {
          throw invalidInput([{ field: weights, description: `a ${objective.kind} batch needs this tensor` }]);
        }
        for (const weight of tensor.data) total += weight;
      }
      return [name, total === 0 ? 0 : 1 / (total + epsilon)];
    }),
  );
}
