import type { IncomingMessage, ServerResponse } from "node:http";
import { create, type DescMethod } from "@bufbuild/protobuf";
import type { AlbertError } from "../../../errors.ts";
import {
  GRPCInferenceService,
  ModelConfigRequestSchema,
  ModelConfigSchema,
  ModelInferResponseSchema,
  ModelMetadataRequestSchema,
  ModelMetadataResponseSchema,
  ModelReadyRequestSchema,
  RepositoryIndexRequestSchema,
  ServerLiveRequestSchema,
  ServerMetadataRequestSchema,
  ServerReadyRequestSchema,
} from "../../../gen/inference/open_inference_pb.js";
import { CallBytes } from "../../call/byte-budget.ts";
import type { CallContext, ServiceHandlers } from "../../call/call.ts";
import { OpenCall } from "../../call/open-call.ts";
import { type CallSettings, runCall } from "../../call/run-call.ts";
import { connectionOf } from "../../connect/connection.ts";
import { modelConfigJson } from "./model-config.ts";
import { isRestPath, methodOf, type RestTarget, restTarget } from "./paths.ts";
import { bodyEncoding, readBody } from "./read-body.ts";
import { errorReply, type HttpReply, inferHttpReply, JSON_LENGTH_HEADER, jsonReply } from "./reply.ts";
import { readRestRequest } from "./request.ts";

type Handlers = ServiceHandlers<typeof GRPCInferenceService>;

const INFER_TYPES = /^application\/(json|octet-stream)\b/i;

/**
 * Whether no page of another site could have sent this without asking first: such a page can name neither of the types that
 * are read, and its browser says where it comes from. The protocol's clients in Python name no type at all.
 */
function hasInferType({ headers }: IncomingMessage): boolean {
  const type = headers["content-type"];
  return type === undefined ? headers.origin === undefined : INFER_TYPES.test(type);
}

const METHODS: Readonly<Record<RestTarget["kind"], DescMethod>> = {
  "server-metadata": GRPCInferenceService.method.serverMetadata,
  "server-live": GRPCInferenceService.method.serverLive,
  "server-ready": GRPCInferenceService.method.serverReady,
  "repository-index": GRPCInferenceService.method.repositoryIndex,
  "model-metadata": GRPCInferenceService.method.modelMetadata,
  "model-config": GRPCInferenceService.method.modelConfig,
  "model-ready": GRPCInferenceService.method.modelReady,
  "model-infer": GRPCInferenceService.method.modelInfer,
};

/**
 * The protocol's REST form over the handlers of its gRPC form: the same interceptors, limits and errors.
 *
 * @returns answers a request, or says that it is none of the protocol's
 */
export function openInferenceRoutes(
  handlers: Handlers,
  settings: CallSettings,
  limits: { readonly maxMessageBytes: number },
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    if (!isRestPath(path)) return false;
    const target = restTarget(path);
    if (target === undefined) send(response, jsonReply(404, { error: "there is nothing at this path" }));
    else if (request.method !== methodOf(target)) {
      send(response, jsonReply(405, { error: `only ${methodOf(target)}` }, { allow: methodOf(target) }));
    } else if (target.kind === "model-infer" && !hasInferType(request)) {
      send(response, jsonReply(415, { error: "content-type must be application/json or application/octet-stream" }));
    } else if (bodyEncoding(request) === undefined) {
      send(response, jsonReply(415, { error: "content-encoding must be identity, gzip or deflate" }));
    } else {
      void answer(target, request, response, { handlers, settings, limits });
    }
    return true;
  };
}

interface Answering {
  readonly handlers: Handlers;
  readonly settings: CallSettings;
  readonly limits: { readonly maxMessageBytes: number };
}

/** Runs a request as a call. Never rejects. */
async function answer(
  target: RestTarget,
  request: IncomingMessage,
  response: ServerResponse,
  { handlers, settings, limits }: Answering,
): Promise<void> {
  const connection = connectionOf(request);
  const transport = {
    peer: () => connection.peer,
    certificateNames: () => connection.certificateNames(),
    header: (name: string) => headerOf(request, name),
    remainingMs: undefined,
    requestBytes: Number(/^\d{1,9}$/.exec(headerOf(request, "content-length") ?? "") ?? 0),
  };
  const call = new OpenCall(METHODS[target.kind], transport, settings);
  const bytes = new CallBytes(settings.budget);
  response.once("close", () => {
    bytes.close();
    if (!response.writableFinished) call.onTransportClosed();
  });
  try {
    await runCall(call, settings, async () => {
      const reply = await replyTo(target, request, call, bytes, { handlers, settings, limits });
      bytes.hold(reply.body?.length ?? 0);
      send(response, reply);
    });
  } catch (error) {
    send(response, errorReply(error as AlbertError)); // runCall throws nothing else
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function replyTo(
  target: RestTarget,
  request: IncomingMessage,
  context: CallContext,
  bytes: CallBytes,
  { handlers, settings, limits }: Answering,
): Promise<HttpReply> {
  switch (target.kind) {
    case "server-metadata":
      return jsonReply(200, await handlers.serverMetadata(create(ServerMetadataRequestSchema), context));
    case "server-live": {
      const { live = false } = await handlers.serverLive(create(ServerLiveRequestSchema), context);
      return jsonReply(live ? 200 : 503, { live });
    }
    case "server-ready": {
      const { ready = false } = await handlers.serverReady(create(ServerReadyRequestSchema), context);
      return jsonReply(ready ? 200 : 503, { ready });
    }
    case "model-ready": {
      const { model: name, version } = target;
      const { ready = false } = await handlers.modelReady(create(ModelReadyRequestSchema, { name, version }), context);
      return jsonReply(ready ? 200 : 503, { name, ready });
    }
    case "model-config": {
      const { model: name, version } = target;
      const { config } = await handlers.modelConfig(create(ModelConfigRequestSchema, { name, version }), context);
      return jsonReply(200, modelConfigJson(create(ModelConfigSchema, config)));
    }
    case "model-metadata": {
      const { model: name, version } = target;
      const asked = create(ModelMetadataRequestSchema, { name, version });
      const reply = create(ModelMetadataResponseSchema, await handlers.modelMetadata(asked, context));
      const tensors = (list: typeof reply.inputs) =>
        list.map((tensor) => ({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape.map(Number) }));
      const { versions, platform, inputs, outputs, properties } = reply;
      const described = { inputs: tensors(inputs), outputs: tensors(outputs) };
      return jsonReply(200, { ...{ name: reply.name, versions, platform, properties }, ...described });
    }
    case "repository-index": {
      const { models = [] } = await handlers.repositoryIndex(create(RepositoryIndexRequestSchema), context);
      const index = models.map(({ name, version, state, reason }) => ({ name, version, state, reason }));
      return jsonReply(200, index);
    }
    case "model-infer": {
      const body = await readBody(request, bodyEncoding(request) ?? "identity", limits.maxMessageBytes, bytes);
      context.allowance?.spend("bytes", body.length);
      const length = headerOf(request, JSON_LENGTH_HEADER);
      const jsonBytes = length === undefined ? undefined : Number(length);
      const { message, binary } = readRestRequest(target, body, jsonBytes, settings.maxValues);
      const reply = create(ModelInferResponseSchema, await handlers.modelInfer(message, context));
      return inferHttpReply(reply, binary);
    }
  }
}

/** Sends a reply once; a body that was not read to its end closes the connection. */
function send(response: ServerResponse, { status, headers = {}, body }: HttpReply): void {
  if (response.headersSent || response.destroyed) return;
  const unread = response.req.complete ? {} : { connection: "close" };
  response.writeHead(status, { ...headers, ...unread, "content-length": body?.length ?? 0 }).end(body);
}
