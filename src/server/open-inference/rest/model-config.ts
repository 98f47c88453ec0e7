import { DataTypeSchema, type ModelConfig } from "../../../gen/inference/open_inference_pb.js";

/**
 * A model's configuration as Triton writes it in JSON: the fields' names in the protocol file, every field there, and sizes
 * as numbers (JSON of protobuf has them in quotes, which Triton's tools do not read).
 */
export function modelConfigJson({
  name,
  platform,
  backend,
  versionPolicy,
  maxBatchSize,
  input,
  output,
}: ModelConfig): object {
  const tensor = (described: Pick<ModelConfig["output"][number], "name" | "dataType" | "dims">) => ({
    name: described.name,
    data_type: DataTypeSchema.value[described.dataType]?.name,
    dims: described.dims.map(Number),
  });
  return {
    name,
    platform,
    backend,
    version_policy: { latest: { num_versions: versionPolicy?.policyChoice.value?.numVersions ?? 0 } },
    max_batch_size: maxBatchSize,
    input: input.map((each) => ({ ...tensor(each), optional: each.optional })),
    output: output.map(tensor),
  };
}
