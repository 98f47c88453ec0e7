import { create, type DescField, type DescMessage, ScalarType, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, StructSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { InferenceService } from "../../../src/gen/albert/v1/inference_pb.ts";
import { ModelService } from "../../../src/gen/albert/v1/models_pb.ts";
import { SearchService } from "../../../src/gen/albert/v1/search_pb.ts";
import { TrainingService } from "../../../src/gen/albert/v1/training_pb.ts";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { GRPCInferenceService } from "../../../src/gen/inference/open_inference_pb.ts";
import { messageWriter } from "../../../src/server/call/message-writer.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const SERVICES = [
  InferenceService,
  SearchService,
  ModelService,
  TrainingService,
  GRPCInferenceService,
  ServerReflection,
];

describe("a message's writer", () => {
  it("writes the library's bytes, of every reply of the contract", () => {
    const draw = drawing(seededRandom(17));
    for (const { output } of SERVICES.flatMap(({ methods }) => methods)) {
      const write = messageWriter(output);
      expect(write, output.typeName).toBeDefined();
      for (let i = 0; i < 30; i++) {
        const fields = draw.message(output, 0);
        const bytes = toBinary(output, create(output, fields));
        expect(Buffer.compare(write!(fields), bytes), `${output.typeName} ${show(fields)}`).toBe(0);
        expect(Buffer.compare(write!(create(output, fields)), bytes), output.typeName).toBe(0);
      }
    }
  });

  it("keeps messages apart, small ones after large ones", () => {
    const { output } = InferenceService.method.classify;
    const write = messageWriter(output)!;
    const large = { labels: Array.from({ length: 20_000 }, (_, i) => ({ label: `label ${i}`, score: i })) };
    const small = { labels: [{ label: "a", score: 1 }] };
    const first = write(large);
    expect(write(small).equals(toBinary(output, create(output, small)))).toBe(true);
    expect(first.equals(toBinary(output, create(output, large)))).toBe(true);
  });

  it("refuses numbers that do not fit", () => {
    const write = messageWriter(InferenceService.method.tokenize.output)!;
    for (const maxTokens of [-1, 0.5, 2 ** 32, Number.NaN])
      expect(() => write({ maxTokens })).toThrow("invalid uint32");
  });

  it("leaves to the library what it does not know", () => {
    expect(messageWriter(StructSchema)).toBeUndefined();
    expect(messageWriter(FileDescriptorProtoSchema)).toBeUndefined();
  });
});

const TEXTS = ["", "a", "x".repeat(63), "y".repeat(65), "Grüße", "漢字", "🙂", "\ud800", "z".repeat(200), "\0"];
const INTEGERS = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, 2 ** 31 - 1];
const DOUBLES = [0, -0, 1, -1.5, 0.1, Number.NaN, Number.POSITIVE_INFINITY, 5e-324, Number.MAX_VALUE];
const LONGS = [0n, 1n, 127n, 128n, 2n ** 32n, 2n ** 63n - 1n];
const VALUES: Partial<Record<ScalarType, readonly unknown[]>> = {
  [ScalarType.STRING]: TEXTS,
  [ScalarType.BOOL]: [false, true],
  [ScalarType.DOUBLE]: DOUBLES,
  [ScalarType.FLOAT]: [0, -0, 1, -1.5, 0.1, Number.NaN, Number.NEGATIVE_INFINITY],
  [ScalarType.INT32]: [...INTEGERS, -1, -(2 ** 31)],
  [ScalarType.UINT32]: [...INTEGERS, 2 ** 32 - 1],
  [ScalarType.INT64]: [...LONGS, -1n, -(2n ** 63n)],
  [ScalarType.UINT64]: [...LONGS, 2n ** 64n - 1n],
  [ScalarType.BYTES]: [new Uint8Array(), Uint8Array.of(1, 2, 3), new Uint8Array(300).fill(7)],
};
const DEEPEST = 4;

/** Draws fields of messages: some set, some not, some to the zero of their type. */
function drawing(next: () => number) {
  const one = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)]!;
  const value = (field: DescField, depth: number): unknown => {
    if (field.message !== undefined) return message(field.message, depth + 1);
    if (field.enum !== undefined) return one(field.enum.values).number;
    return one(VALUES[field.scalar!]!);
  };
  const several = <T>(make: () => T): T[] => Array.from({ length: one([0, 1, 3]) }, make);
  const message = (desc: DescMessage, depth: number): Record<string, unknown> => {
    const fields: Record<string, unknown> = {};
    for (const member of desc.members) {
      if (next() < 0.3) continue;
      if (member.kind === "oneof") {
        const field = one(member.fields);
        if (field.message === undefined || depth < DEEPEST) {
          fields[member.localName] = { case: field.localName, value: value(field, depth) };
        }
      } else if (member.message !== undefined && depth >= DEEPEST) continue;
      else if (member.fieldKind === "list") fields[member.localName] = several(() => value(member, depth));
      else if (member.fieldKind === "map") {
        fields[member.localName] = Object.fromEntries(several(() => [one(TEXTS), value(member, depth)]));
      } else fields[member.localName] = value(member, depth);
    }
    return fields;
  };
  return { message };
}

function show(fields: unknown): string {
  return JSON.stringify(fields, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}
