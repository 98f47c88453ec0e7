import { create } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import {
  type GRPCInferenceService,
  type ModelInferRequest,
  ModelMetadataResponseSchema,
} from "../../gen/inference/open_inference_pb.js";
import type { Serving } from "../../serving/serving.ts";
import type { CallContext, ServiceHandlers } from "../call/call.ts";
import { mostValues } from "../call/message-values.ts";
import type { IncidentLog } from "../errors/status.ts";
import { backpressure, type InferenceCalls, itemTurn } from "../inference/items.ts";
import { inferReply, readInferRequest } from "./grpc-tensors.ts";
import { inferTensors, type TensorAnswering } from "./infer-tensors.ts";
import { isModelReady, modelConfig, modelMetadata, repositoryIndex } from "./metadata.ts";
import { streamTensors } from "./stream.ts";

// Every call of the Open Inference Protocol, over the calls of our own contract.

export interface OpenInferenceOptions {
  readonly serving: Serving;
  /** The calls of our own contract, by which every row is answered. */
  readonly calls: InferenceCalls;
  /** Whether the server as a whole gets traffic. */
  readonly ready: () => boolean;
  /** Of this program. */
  readonly version: string;
  readonly limits: {
    /** Most rows of a request. */
    readonly maxBatchItems: number;
    /** Most texts of a row. */
    readonly maxChoices: number;
    /** Requests of one stream in hand at a time. */
    readonly streamWindow: number;
  };
  /** Predicted wait from which the queue refuses. */
  readonly maxQueueMs: number;
  readonly logIncident: IncidentLog;
}

/** What this server does beyond the protocol's core, by the names that its clients look for. */
const EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository"];

/** The Open Inference Protocol over the calls of our own contract: every call of `inference.GRPCInferenceService`. */
export function openInferenceService(options: OpenInferenceOptions): ServiceHandlers<typeof GRPCInferenceService> {
  const { serving, calls, maxQueueMs, limits, logIncident } = options;
  const { models, scheduler } = serving;
  const answering: TensorAnswering = { calls, models, queue: scheduler, maxRows: limits.maxBatchItems, maxQueueMs };
  const infer = async (request: ModelInferRequest, context: CallContext) =>
    inferReply(request, await inferTensors(readInferRequest(request, mostValues(limits)), context, answering));
  return {
    serverLive: async () => ({ live: true }),
    serverReady: async () => ({ ready: options.ready() }),
    modelReady: async ({ name, version }) => ({
      ready: options.ready() && isModelReady(models, { model: name, version }),
    }),
    serverMetadata: async () => ({ name: "albert-serve", version: options.version, extensions: EXTENSIONS }),
    modelMetadata: async ({ name, version }) => modelMetadata(models, { model: name, version }),
    modelConfig: async ({ name, version }) => ({
      config: modelConfig(create(ModelMetadataResponseSchema, modelMetadata(models, { model: name, version }))),
    }),
    modelInfer: infer,
    modelStreamInfer: (requests, context) =>
      streamTensors(requests, context, {
        window: limits.streamWindow,
        backpressure: () => itemTurn(context, () => backpressure(scheduler, maxQueueMs, context.signal)),
        answer: infer,
        logIncident,
      }),
    repositoryIndex: async ({ repositoryName, ready }) => {
      if (repositoryName !== "") {
        throw invalidInput([{ field: "repository_name", description: "must be empty: there is one repository" }]);
      }
      return repositoryIndex(models, ready);
    },
  };
}
