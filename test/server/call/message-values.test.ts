import { type DescField, type DescMessage, equals, fromBinary, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { ClassifyRequestSchema, InferenceService } from "../../../src/gen/albert/v1/inference_pb.ts";
import { ModelService } from "../../../src/gen/albert/v1/models_pb.ts";
import { SearchService } from "../../../src/gen/albert/v1/search_pb.ts";
import { DatasetService, TrainingService } from "../../../src/gen/albert/v1/training_pb.ts";
import { GRPCInferenceService } from "../../../src/gen/inference/open_inference_pb.ts";
import { decodeMessage } from "../../../src/server/call/decode.ts";
import { countJsonValues, mostValues } from "../../../src/server/call/message-values.ts";

const METHODS = [
  InferenceService,
  SearchService,
  ModelService,
  DatasetService,
  TrainingService,
  GRPCInferenceService,
].flatMap(({ methods }) => methods);

const delimited = (number: number, bytes: Uint8Array) =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
const repeated = (count: number, bytes: Uint8Array) => Buffer.concat(new Array(count).fill(bytes));

/** The field as often as that, without anything in it; numbers in a row. */
function flood(field: DescField, count: number): Uint8Array {
  const isNumbers =
    field.fieldKind === "list" &&
    (field.listKind === "enum" || (field.listKind === "scalar" && !textual(field.scalar)));
  if (isNumbers) return delimited(field.number, new Uint8Array(count * 8));
  if (field.fieldKind === "enum" || (field.fieldKind === "scalar" && !textual(field.scalar))) {
    return repeated(
      count,
      new BinaryWriter()
        .tag(field.number, wireType(field))
        .raw(new Uint8Array(width(field)))
        .finish(),
    );
  }
  return repeated(count, delimited(field.number, new Uint8Array(0)));
}

const textual = (scalar: ScalarType) => scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
const width = (field: DescField) =>
  field.fieldKind === "scalar" ? ({ [ScalarType.DOUBLE]: 8, [ScalarType.FLOAT]: 4 }[field.scalar as 1 | 2] ?? 1) : 1;
const wireType = (field: DescField) => ({ 8: WireType.Bit64, 4: WireType.Bit32 })[width(field)] ?? WireType.Varint;

/** For every field that a request can hold, at any depth, a message that holds it as often as that. */
function* floods(desc: DescMessage, count: number, path = ""): Generator<readonly [string, Uint8Array]> {
  for (const field of desc.fields) {
    yield [path + field.name, flood(field, count)];
    if (field.fieldKind === "map" && field.mapKind === "message") {
      for (const [name, bytes] of floods(field.message, count, `${path}${field.name}.`)) {
        yield [name, delimited(field.number, delimited(2, bytes))];
      }
    } else if (field.message !== undefined) {
      for (const [name, bytes] of floods(field.message, count, `${path}${field.name}.`)) {
        yield [name, delimited(field.number, bytes)];
      }
    }
  }
  yield [`${path}unknown`, repeated(count, delimited(900, new Uint8Array(0)))];
}

describe("the values of a message", () => {
  it("are bounded in every field of every request, and the refusal says by what", async () => {
    for (const { input, name } of METHODS) {
      for (const [path, bytes] of floods(input, 101)) {
        const refused = await decodeMessage(input, bytes, 100).catch((error) => error.violations?.[0]?.description);
        expect([name, path, refused]).toEqual([name, path, expect.stringContaining("at most 100 values")]);
      }
    }
  });

  it("are the same, whether they are decoded at once or in turns", async () => {
    for (const { input, name } of METHODS) {
      for (const [path, bytes] of floods(input, 1100)) {
        const whole = fromBinary(input, bytes, { readUnknownFields: false });
        const decoded = await decodeMessage(input, bytes, 100_000);
        expect([name, path, equals(input, decoded, whole)]).toEqual([name, path, true]);
      }
    }
  });

  it("let others have their turn while they are decoded", async () => {
    const most = mostValues({ maxBatchItems: 128, maxChoices: 64 });
    let turns = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const { labels } = await decodeMessage(ClassifyRequestSchema, repeated(most, Buffer.from("\x3a\x01a")), most);
    clearImmediate(timer);
    expect(labels).toHaveLength(most);
    expect(turns).toBeGreaterThan(5);
  });

  it("are counted in JSON without reading it: what stands in texts does not count", () => {
    const count = (text: string) => countJsonValues(Buffer.from(text), 100);
    expect(count("1")).toBe(1);
    expect(count('{"a": [1, 2, {"b": 3}], "c": ",[{\\",[{"}')).toBe(7);
    expect(count(`["${",".repeat(1000)}"]`)).toBe(2);
    expect(count("[".repeat(1000))).toBe(101);
  });
});
