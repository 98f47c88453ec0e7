import { type FieldViolation, invalidInput } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import { type BatchSizes, batchTensors, type LossTerm, lossTerms, type Objective } from "../objectives.ts";
import type { BatchSignature } from "../step/step-graph.ts";
import type { Batch, StepSpec } from "../step/training-step.ts";

// What lets the gradients of several micro-batches add up to that of one batch.

/**
 * What a batch looks like; batches with equal signatures run through the same graph.
 *
 * @throws AlbertError invalid-input naming every tensor that is absent, unknown or of another shape or type than the
 * objective asks for
 */
export function batchSignature(spec: StepSpec, batch: Batch): BatchSignature {
  const violations: FieldViolation[] = [];
  const reject = (field: string, description: string) => violations.push({ field, description });
  const expected = new Map(batchTensors(spec.objective, sizesOf(spec, batch)).map((tensor) => [tensor.name, tensor]));
  for (const name of Object.keys(batch)) {
    if (!expected.has(name)) reject(name, `a ${spec.objective.kind} batch has no such tensor`);
  }
  for (const { name, shape, dtype } of expected.values()) {
    const tensor = batch[name];
    if (tensor === undefined) {
      reject(name, `a ${spec.objective.kind} batch needs this tensor, ${dtype} [${shape}]`);
    } else if (tensor.shape.join() !== shape.join() || tensor.data.length !== sizeOf(shape)) {
      reject(name, `expected [${shape}], got [${tensor.shape}] with ${tensor.data.length} values`);
    } else if (tensor.data instanceof Int32Array !== (dtype === "int32")) {
      reject(name, `expected ${dtype} values`);
    }
  }
  if (violations.length > 0) throw invalidInput(violations);
  return Object.fromEntries([...expected].map(([name, { shape, dtype }]) => [name, { shape, dtype }]));
}

/** The bucket that a batch's leading tensors imply; whether the others fit is what `batchSignature` checks. */
function sizesOf({ objective, trunk, config }: StepSpec, batch: Batch): BatchSizes {
  const dim = (name: string, axis: number): number => batch[name]?.shape.at(axis) ?? 0;
  const sequences = trunk !== "cached" ? "input_ids" : "sequence_output" in batch ? "sequence_output" : "pooled_output";
  return {
    examples: dim(sequences, 0),
    length: trunk === "cached" ? dim(sequences, 1) : dim(sequences, -1),
    choices: objective.kind === "multiple-choice" || objective.kind === "contrastive" ? dim(sequences, 1) : 0,
    predictions: dim("masked_lm_positions", 1),
    ...("cls_positions" in batch ? { segments: dim("cls_positions", 1) } : {}),
    ...(trunk === "cached" ? { cachedWidth: config.hiddenSize } : {}),
  };
}

/**
 * For each loss term 1 / (sum of weights over all micro-batches + epsilon), or 0 where nothing has weight. Scaled by it,
 * the micro-batches' losses and gradients simply add up to those of the step as one batch.
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
