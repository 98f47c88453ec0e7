import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ModelInferRequestSchema } from "../../../src/gen/inference/open_inference_pb.js";
import { readInferRequest } from "../../../src/server/open-inference/grpc-tensors.ts";
import { readRestRequest } from "../../../src/server/open-inference/rest/request.ts";

// Elements of tensors that stand one after the other in a few bytes each.

const MOST = 100;
const MODEL = { model: "m", version: "" };
const raw = (elements: number) => Buffer.alloc(4 * elements);
const described = { name: "text", datatype: "BYTES" };

it("raw tensors hold at most as many elements as a message may hold values", () => {
  const read = (elements: number) =>
    readInferRequest(
      create(ModelInferRequestSchema, {
        inputs: [{ ...described, shape: [BigInt(elements)] }],
        rawInputContents: [raw(elements)],
      }),
      MOST,
    );
  expect(read(MOST)).toMatchObject({ violations: [], inputs: [{ data: new Array(MOST).fill("") }] });
  expect(read(MOST + 1).violations).toEqual([
    { field: "inputs.text", description: "must hold at most 100 elements, got more" },
  ]);
});

it("a body of REST holds at most as many values, and bytes after it as many elements", () => {
  const read = (input: object, bytes = Buffer.alloc(0)) => {
    const json = Buffer.from(JSON.stringify({ inputs: [{ ...described, ...input }] }));
    return readRestRequest(MODEL, Buffer.concat([json, bytes]), json.length, MOST);
  };
  const binary = (elements: number) => {
    const parameters = { binary_data_size: 4 * elements };
    return read({ shape: [elements], parameters }, raw(elements));
  };
  expect(read({ shape: [50], data: new Array(50).fill("a, b") }).message.inputs).toHaveLength(1);
  expect(() => read({ shape: [101], data: new Array(101).fill("a") })).toThrow("at most 100 values");
  expect(binary(MOST).message.inputs[0]?.contents?.bytesContents).toHaveLength(MOST);
  expect(() => binary(MOST + 1)).toThrow("at most 100 elements");
});
