import type { ModelMetadataResponse } from "../../../gen/inference/open_inference_pb.js";
import { OPTIONAL_INPUTS } from "../metadata.ts";

// What Triton's own tools ask before they call a model, in the form of its model configuration.

/** Triton's names of the protocol's types that are ours. */
const TYPES: Readonly<Record<string, string>> = {
  BYTES: "TYPE_STRING",
  FP32: "TYPE_FP32",
  INT32: "TYPE_INT32",
  BOOL: "TYPE_BOOL",
};

/**
 * A model's configuration as its metadata says it. Requests bring their own rows: Triton's batching, for which it has a size
 * beside the shapes, is not asked for (`max_batch_size` 0); this server makes batches by itself.
 */
export function modelConfig({ name, platform, inputs, outputs, properties }: ModelMetadataResponse): object {
  const optional = new Set(properties[OPTIONAL_INPUTS]?.split(","));
  const tensor = ({ name: called, datatype, shape }: ModelMetadataResponse["inputs"][number]) => ({
    name: called,
    data_type: TYPES[datatype],
    dims: shape.map(Number),
  });
  return {
    name,
    platform,
    backend: "",
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: 0,
    input: inputs.map((input) => ({ ...tensor(input), optional: optional.has(input.name) })),
    output: outputs.map(tensor),
  };
}
