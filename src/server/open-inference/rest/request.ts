import { create } from "@bufbuild/protobuf";
import { invalidInput } from "../../../errors.ts";
import { type ModelInferRequest, ModelInferRequestSchema } from "../../../gen/inference/open_inference_pb.js";
import { countJsonValues, refuseMore } from "../../call/message-values.ts";
import type { NamedVersion } from "../options.ts";
import type { ParameterValue } from "../parameters.ts";
import { splitElements } from "../raw-contents.ts";
import { type InferBody, type Nested, parseInferBody } from "./infer-body.ts";

// Requests of the protocol's REST form: JSON, or JSON followed by the bytes of its tensors. Both become the message that
// gRPC takes, so that one path answers them.

/** Of an input: bytes that it takes of what follows the JSON. Of the others: whether an output is wanted in that form. */
const BINARY_SIZE = "binary_data_size";
const BINARY_OUTPUT = "binary_data";
const BINARY_OUTPUTS = "binary_data_output";

/** A request of the REST form as the message that gRPC takes, and which outputs are wanted as bytes. */
export interface RestRequest {
  readonly message: ModelInferRequest;
  readonly binary: (output: string) => boolean;
}

/**
 * @param jsonBytes  length of the JSON at the start of the body; undefined: all of it
 * @param most  values that the JSON may hold, and each tensor
 * @throws AlbertError invalid-input for a body of another form
 */
export function readRestRequest(
  named: NamedVersion,
  body: Buffer,
  jsonBytes: number | undefined,
  most: number,
): RestRequest {
  if (jsonBytes !== undefined && !(Number.isInteger(jsonBytes) && jsonBytes >= 0 && jsonBytes <= body.length)) {
    throw wrongBody("header inference-header-content-length", `must be 0 to ${body.length}`);
  }
  const { id, inputs, outputs, parameters } = parseInferBody(parseJson(body.subarray(0, jsonBytes), most));
  const { [BINARY_OUTPUTS]: all = false, ...rest } = parameters;
  const binaryOutputs = new Map(outputs.map((output) => [output.name, output.parameters[BINARY_OUTPUT]]));
  const message = create(ModelInferRequestSchema, {
    modelName: named.model,
    modelVersion: named.version,
    id,
    parameters: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, parameterOf(value)])),
    outputs: outputs.map(({ name }) => ({ name })),
    inputs: readInputs(inputs, body.subarray(jsonBytes ?? body.length), most),
  });
  return {
    message,
    binary: (output) => binaryOutputs.get(output) === true || (binaryOutputs.get(output) ?? all) === true,
  };
}

function parseJson(bytes: Buffer, most: number): unknown {
  refuseMore(countJsonValues(bytes, most), most);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw wrongBody("body", "is no JSON in UTF-8");
  }
}

function readInputs(inputs: InferBody["inputs"], binary: Buffer, most: number) {
  let at = 0;
  const messages = inputs.map(({ name, datatype, shape, parameters: given, data }) => {
    const field = `inputs.${name}`;
    const message = { name, datatype, shape: shape.map(BigInt) };
    const size = given[BINARY_SIZE];
    if (size === undefined) {
      return { ...message, contents: { bytesContents: flatten(data, field).map((text) => Buffer.from(text, "utf8")) } };
    }
    if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || at + size > binary.length) {
      throw wrongBody(
        `${field}.parameters.${BINARY_SIZE}`,
        `must be a part of the ${binary.length} bytes after the JSON`,
      );
    }
    const elements = splitElements(binary.subarray(at, at + size), most);
    if (typeof elements === "string") throw wrongBody(field, elements);
    at += size;
    return { ...message, contents: { bytesContents: elements } };
  });
  if (at !== binary.length) throw wrongBody("body", `has ${binary.length - at} bytes that belong to no input`);
  return messages;
}

function flatten(data: Nested, field: string): string[] {
  if (typeof data !== "string") return data.flatMap((inner) => flatten(inner, field));
  if (/\p{Surrogate}/u.test(data)) throw wrongBody(field, "holds half a character: a surrogate without its pair");
  return [data];
}

function parameterOf(value: ParameterValue) {
  switch (typeof value) {
    case "string":
      return { parameterChoice: { case: "stringParam", value } as const };
    case "boolean":
      return { parameterChoice: { case: "boolParam", value } as const };
    default:
      return { parameterChoice: { case: "doubleParam", value } as const };
  }
}

function wrongBody(field: string, description: string): Error {
  return invalidInput([{ field, description }]);
}
