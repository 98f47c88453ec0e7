import type { AlbertError } from "../../../errors.ts";
import type { InferParameter, ModelInferResponse } from "../../../gen/inference/open_inference_pb.js";
import type { GrpcStatusName } from "../../errors/error-table.ts";
import { toWireError } from "../../errors/status.ts";
import { decodeText, writeRaw } from "../raw-contents.ts";
import type { Datatype, Element } from "../tensor.ts";

// Replies and errors of the protocol's REST form.

/** Header with the length of the JSON, where bytes of tensors follow it. */
export const JSON_LENGTH_HEADER = "inference-header-content-length";

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent: none. */
  readonly body?: Buffer;
}

export function jsonReply(status: number, body: object, headers: Readonly<Record<string, string>> = {}): HttpReply {
  return {
    status,
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(body), "utf8"),
  };
}

/** An answer as JSON, after which come the bytes of the outputs that are wanted in that form. */
export function inferHttpReply(reply: ModelInferResponse, binary: (output: string) => boolean): HttpReply {
  const raw: Uint8Array[] = [];
  const outputs = reply.outputs.map(({ name, datatype, shape, contents }) => {
    const type = datatype as Datatype; // our own reply
    const data = elements(type, contents);
    const described = { name, datatype, shape: shape.map(Number) };
    if (!binary(name)) return { ...described, data };
    const bytes = writeRaw({ name, datatype: type, shape: described.shape, data });
    raw.push(bytes);
    return { ...described, parameters: { binary_data_size: bytes.length } };
  });
  const json = jsonReply(200, {
    model_name: reply.modelName,
    model_version: reply.modelVersion,
    ...(reply.id === "" ? {} : { id: reply.id }),
    parameters: Object.fromEntries(Object.entries(reply.parameters).map(([name, value]) => [name, plain(value)])),
    outputs,
  });
  if (raw.length === 0 || json.body === undefined) return json;
  return {
    status: 200,
    headers: { "content-type": "application/octet-stream", [JSON_LENGTH_HEADER]: String(json.body.length) },
    body: Buffer.concat([json.body, ...raw]),
  };
}

function elements(datatype: Datatype, contents: ModelInferResponse["outputs"][number]["contents"]): readonly Element[] {
  switch (datatype) {
    case "BYTES":
      return (contents?.bytesContents ?? []).map((bytes) => decodeText(bytes) ?? "");
    case "BOOL":
      return contents?.boolContents ?? [];
    case "FP32":
      return (contents?.fp32Contents ?? []).map(Math.fround);
    case "INT32":
      return contents?.intContents ?? [];
  }
}

function plain({ parameterChoice: { value } }: InferParameter): Element | undefined {
  return typeof value === "bigint" ? Number(value) : value;
}

/** The HTTP status of every gRPC status, as the protocols' own table of equivalents has it. */
const HTTP_STATUS: Readonly<Record<GrpcStatusName, number>> = {
  OK: 200,
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

/** An error as the protocol has it, with its reason, its fields and when to try again. */
export function errorReply(error: AlbertError): HttpReply {
  const { status, statusName, reason } = toWireError(error);
  const { retryAfterMs, violations, metadata } = error;
  const details = { reason, ...(violations.length > 0 ? { violations } : {}), metadata };
  const again = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return jsonReply(HTTP_STATUS[statusName], { error: status.message, ...details }, again);
}
