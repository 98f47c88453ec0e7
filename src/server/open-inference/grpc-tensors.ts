import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { FieldViolation } from "../../errors.ts";
import {
  type InferParameter,
  InferParameterSchema,
  type InferTensorContentsSchema,
  type ModelInferRequest,
  type ModelInferResponseSchema,
} from "../../gen/inference/open_inference_pb.js";
import type { TensorReply, TensorRequest } from "./infer-tensors.ts";
import { Parameters, type ParameterValue } from "./parameters.ts";
import { decodeText, splitElements, writeRaw } from "./raw-contents.ts";
import type { Tensor, TextTensor } from "./tensor.ts";

// Requests and replies of tensors as the protocol's messages.

/**
 * A request as plain data; what is wrong with it is among its violations.
 *
 * @param most  elements of a tensor
 */
export function readInferRequest(request: ModelInferRequest, most: number): TensorRequest {
  const violations: FieldViolation[] = [];
  const { modelName, modelVersion, rawInputContents: raw } = request;
  if (raw.length > 0 && raw.length !== request.inputs.length) {
    const description = `must hold one entry for each of the ${request.inputs.length} inputs, got ${raw.length}`;
    violations.push({ field: "raw_input_contents", description });
  }
  const inputs = request.inputs.map((input, index) => readInput(input, raw[index], most, violations));
  return {
    model: modelName,
    version: modelVersion,
    inputs,
    outputs: request.outputs.map(({ name }) => name),
    parameters: new Parameters(readParameters(request.parameters)),
    violations,
  };
}

function readInput(
  { name, datatype, shape, contents }: ModelInferRequest["inputs"][number],
  raw: Uint8Array | undefined,
  most: number,
  violations: FieldViolation[],
): TextTensor {
  const field = `inputs.${name}`;
  const tensor = { name, shape: shape.map(Number) };
  if (datatype !== "BYTES") {
    violations.push({ field, description: `must be of datatype BYTES, got ${datatype || "none"}` });
    return tensor;
  }
  const elements = raw === undefined ? (contents?.bytesContents ?? []) : splitElements(raw, most);
  if (typeof elements === "string") {
    violations.push({ field, description: elements });
    return tensor;
  }
  const texts = elements.map((bytes, index) => {
    const text = decodeText(bytes);
    if (text === undefined) violations.push({ field, description: `element ${index} is not valid UTF-8` });
    return text ?? "";
  });
  return { ...tensor, data: texts };
}

/** Parameters as plain values; whole numbers that are too large for one are out of every bound anyway. */
function readParameters(parameters: Readonly<Record<string, InferParameter>>): Map<string, ParameterValue> {
  const values = new Map<string, ParameterValue>();
  for (const [name, { parameterChoice }] of Object.entries(parameters)) {
    const { value } = parameterChoice;
    if (value !== undefined) values.set(name, typeof value === "bigint" ? Number(value) : value);
  }
  return values;
}

/** A reply as a message; its contents are raw where the request's were. */
export function inferReply(
  { modelName, id, rawInputContents }: ModelInferRequest,
  reply: TensorReply,
): MessageInitShape<typeof ModelInferResponseSchema> {
  const raw = rawInputContents.length > 0;
  const parameters = Object.entries(reply.parameters).map(([name, value]) => [name, parameterMessage(value)] as const);
  return {
    ...{ modelName, id, modelVersion: reply.version },
    parameters: Object.fromEntries(parameters),
    outputs: reply.outputs.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(BigInt),
      ...(raw ? {} : { contents: contentsOf(tensor) }),
    })),
    rawOutputContents: raw ? reply.outputs.map(writeRaw) : [],
  };
}

function parameterMessage(value: ParameterValue): InferParameter {
  switch (typeof value) {
    case "string":
      return create(InferParameterSchema, { parameterChoice: { case: "stringParam", value } });
    case "boolean":
      return create(InferParameterSchema, { parameterChoice: { case: "boolParam", value } });
    default:
      return create(InferParameterSchema, { parameterChoice: { case: "int64Param", value: BigInt(value) } });
  }
}

function contentsOf({ datatype, data }: Tensor): MessageInitShape<typeof InferTensorContentsSchema> {
  switch (datatype) {
    case "BYTES":
      return { bytesContents: data.map((text) => new TextEncoder().encode(String(text))) };
    case "BOOL":
      return { boolContents: data.map(Boolean) };
    case "FP32":
      return { fp32Contents: data.map(Number) };
    case "INT32":
      return { intContents: data.map(Number) };
  }
}
