import { corrupt } from "../../errors.ts";
import type { PretrainingInstance } from "../instances/instance.ts";
import type { Example, FeatureValues } from "./tf-example.ts";

// Converts an instance to the features of an official record, and back.

export interface FeatureSizes {
  readonly maxSequenceLength: number;
  /** `max_predictions_per_seq`, doubled with permutation. */
  readonly maxPredictions: number;
}

/**
 * An instance as the official script writes it: int64 features padded with 0, float weights. The order of the features is
 * the one in official files.
 */
export function toExample(instance: PretrainingInstance, { maxSequenceLength, maxPredictions }: FeatureSizes): Example {
  const tokens = (values: ArrayLike<number>): FeatureValues => int64(values, maxSequenceLength);
  const predictions = (values: ArrayLike<number>): FeatureValues => int64(values, maxPredictions);
  const real = new Uint8Array(instance.inputIds.length).fill(1);
  const weights = Array.from({ length: maxPredictions }, (_, i) => (i < instance.maskedIds.length ? 1 : 0));
  return new Map([
    ["masked_lm_positions", predictions(instance.maskedPositions)],
    ["next_sentence_labels", int64([instance.label], 1)],
    ["input_mask", tokens(real)],
    ["segment_ids", tokens(instance.segmentIds)],
    ["masked_lm_ids", predictions(instance.maskedIds)],
    ["token_boundary", tokens(instance.tokenBoundary)],
    ["input_ids", tokens(instance.inputIds)],
    ["masked_lm_weights", { kind: "float", values: weights }],
  ]);
}

/**
 * The instance that an official record holds, without its padding.
 *
 * @throws AlbertError corrupt when a feature is missing or lengths contradict each other
 */
export function fromExample(example: Example): PretrainingInstance {
  const mask = numbers(example, "input_mask");
  const weights = numbers(example, "masked_lm_weights");
  const tokens = mask.filter((value) => value === 1).length;
  const predictions = weights.filter((weight) => weight > 0).length;
  const take = (name: string, count: number): Int32Array => {
    const values = numbers(example, name);
    if (values.length < count) throw corrupt(`pretraining record: ${name} has ${values.length} of ${count} values`);
    return Int32Array.from(values.slice(0, count));
  };
  const [label] = take("next_sentence_labels", 1);
  if (label !== 0 && label !== 1)
    throw corrupt(`pretraining record: next_sentence_labels must be 0 or 1, got ${label}`);
  return {
    inputIds: take("input_ids", tokens),
    segmentIds: take("segment_ids", tokens),
    tokenBoundary: example.has("token_boundary")
      ? Uint8Array.from(take("token_boundary", tokens))
      : new Uint8Array(tokens),
    maskedPositions: take("masked_lm_positions", predictions),
    maskedIds: take("masked_lm_ids", predictions),
    label,
  };
}

function numbers(example: Example, name: string): readonly number[] {
  const feature = example.get(name);
  if (feature === undefined || feature.kind === "bytes") {
    throw corrupt(`pretraining record: the feature ${name} is missing`);
  }
  return feature.values;
}

function int64(values: ArrayLike<number>, length: number): FeatureValues {
  return { kind: "int64", values: Array.from({ length }, (_, i) => (i < values.length ? values[i]! : 0)) };
}
