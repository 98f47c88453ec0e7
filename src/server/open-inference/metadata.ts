import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ModelConfigSchema,
  type ModelMetadataResponse,
  type ModelMetadataResponseSchema,
  type RepositoryIndexResponseSchema,
  DataType as TritonType,
} from "../../gen/inference/open_inference_pb.js";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { VersionState } from "../../serving/models/status.ts";
import { findModel } from "../inference/models.ts";
import { TENSOR_TASKS, tasksOf } from "./choose-task.ts";
import type { NamedVersion } from "./options.ts";
import type { InputSpec, TensorTask } from "./task.ts";
import type { Datatype } from "./tensor.ts";

// What the protocol's clients are told of the models that serve.

const PLATFORM = "albert-serve";
/** The property that names the inputs which a request may leave out, separated by commas: the protocol has no field for it. */
const OPTIONAL_INPUTS = "optional_inputs";

/** @throws AlbertError as GetModel */
export function modelMetadata(
  models: ModelRegistry,
  { model, version }: NamedVersion,
): MessageInitShape<typeof ModelMetadataResponseSchema> {
  const served = findModel(models, { name: model, ...(version === "" ? {} : { version }) });
  const { heads } = served.model;
  const tasks = tasksOf(heads);
  const [name] = tasks;
  const task: TensorTask = TENSOR_TASKS[name ?? "encode"];
  const optional = task.inputs.filter((input) => input.optional).map((input) => input.name);
  return {
    name: served.name,
    versions: models.status(served.name).versions.map((loaded) => loaded.version),
    platform: PLATFORM,
    inputs: task.inputs.map((input) => ({ name: input.name, datatype: "BYTES", shape: inputShape(input) })),
    outputs: task.outputs.map(({ name: output, datatype, rowShape }) => ({
      name: output,
      datatype,
      shape: [-1n, ...rowShape.map(BigInt)],
    })),
    properties: {
      task: name ?? "encode",
      ...(optional.length === 0 ? {} : { [OPTIONAL_INPUTS]: optional.join(",") }),
      tasks: tasks.join(","),
      heads: heads.map((head) => `${head.name}:${head.kind}`).join(","),
    },
  };
}

/** Triton's names of the protocol's types that are ours. */
const TRITON_TYPES: Readonly<Record<Datatype, TritonType>> = {
  BYTES: TritonType.TYPE_STRING,
  FP32: TritonType.TYPE_FP32,
  INT32: TritonType.TYPE_INT32,
  BOOL: TritonType.TYPE_BOOL,
};

/**
 * A model's configuration as its metadata says it, in Triton's form. Requests bring their own rows: Triton's batching, for
 * which it has a size beside the shapes, is not asked for (`max_batch_size` 0); this server makes batches by itself.
 */
export function modelConfig({
  name,
  platform,
  inputs,
  outputs,
  properties,
}: ModelMetadataResponse): MessageInitShape<typeof ModelConfigSchema> {
  const optional = new Set(properties[OPTIONAL_INPUTS]?.split(","));
  const tensor = ({ name: called, datatype, shape }: ModelMetadataResponse["inputs"][number]) => ({
    name: called,
    dataType: TRITON_TYPES[datatype as Datatype], // our own reply
    dims: shape,
  });
  return {
    name,
    platform,
    versionPolicy: { policyChoice: { case: "latest", value: { numVersions: 1 } } },
    input: inputs.map((input) => ({ ...tensor(input), optional: optional.has(input.name) })),
    output: outputs.map(tensor),
  };
}

function inputShape({ several }: InputSpec): bigint[] {
  return several ? [-1n, -1n] : [-1n];
}

/** Whether a name, or one version of it, answers now. A name that no one knows is not ready, and no error. */
export function isModelReady(models: ModelRegistry, { model, version }: NamedVersion): boolean {
  const status = models.list().find(({ name }) => name === model);
  if (status?.current === undefined) return false;
  if (version === "") return true;
  return status.versions.some((loaded) => loaded.version === version && stateOf(loaded.state).state === "READY");
}

/** Every version of every name. */
export function repositoryIndex(
  models: ModelRegistry,
  onlyReady: boolean,
): MessageInitShape<typeof RepositoryIndexResponseSchema> {
  const index = models
    .list()
    .flatMap(({ name, versions }) => versions.map(({ version, state }) => ({ name, version, ...stateOf(state) })));
  return { models: onlyReady ? index.filter(({ state }) => state === "READY") : index };
}

/** Where a version stands, in the protocol's words; what is ready answers whoever pins it. */
function stateOf(state: VersionState): { readonly state: string; readonly reason: string } {
  switch (state.kind) {
    case "serving":
    case "standby":
    case "shadow":
    case "canary":
      return { state: "READY", reason: "" };
    case "loading":
    case "warming":
      return { state: "LOADING", reason: state.kind };
    case "draining":
      return { state: "UNAVAILABLE", reason: state.kind };
    case "failed":
      return { state: "UNAVAILABLE", reason: state.reason };
  }
}
