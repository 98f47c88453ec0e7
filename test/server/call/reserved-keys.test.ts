import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { ClassifyRequestSchema } from "../../../src/gen/albert/v1/inference_pb.ts";
import { CreateJobRequestSchema, JobSpecSchema } from "../../../src/gen/albert/v1/training_pb.ts";
import { decodeMessage } from "../../../src/server/call/decode.ts";
import { reservedJsonKeys } from "../../../src/server/call/reserved-keys.ts";

/** A job's specification whose recipe and labels have these keys, as any language may send it. */
function jobWith(recipe: readonly string[], labels: readonly string[]): Uint8Array {
  const entry = (key: string) => new BinaryWriter().tag(1, WireType.LengthDelimited).string(key).finish();
  const { recipe: recipeField, labels: labelsField } = JobSpecSchema.field;
  const spec = new BinaryWriter();
  for (const key of recipe) spec.tag(recipeField.number, WireType.LengthDelimited).bytes(entry(key));
  for (const key of labels) spec.tag(labelsField.number, WireType.LengthDelimited).bytes(entry(key));
  const { number } = CreateJobRequestSchema.field.spec;
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(spec.finish()).finish();
}

const violationsOf = (bytes: Uint8Array) =>
  decodeMessage(CreateJobRequestSchema, bytes, 100).then(
    () => [],
    (error: { violations: { field: string }[] }) => error.violations.map(({ field }) => field),
  );

describe("keys that would vanish", () => {
  it("are refused where a map has them, and nowhere else", async () => {
    expect(await violationsOf(jobWith(["learning_rate"], ["team"]))).toEqual([]);
    expect(await violationsOf(jobWith(["learning_rate", "__proto__"], ["team"]))).toEqual(["spec.recipe"]);
    expect(await violationsOf(jobWith(["__proto__"], ["__proto__"]))).toEqual(["spec.recipe", "spec.labels"]);
    const text = create(ClassifyRequestSchema, { text: "__proto__", labels: ["__proto__"] });
    expect(await decodeMessage(ClassifyRequestSchema, toBinary(ClassifyRequestSchema, text), 100)).toEqual(text);
    const cut = decodeMessage(ClassifyRequestSchema, Buffer.from("\x0a\x10__proto__"), 100);
    await expect(cut).rejects.toThrow("valid encoding");
  });

  it("are refused in JSON, however they are written", () => {
    const fields = (json: string) => reservedJsonKeys(CreateJobRequestSchema, json).map(({ field }) => field);
    expect(fields('{"spec": {"recipe": {"__proto__": "1", "a": "b"}}}')).toEqual(["spec.recipe"]);
    expect(fields('{"spec": {"recipe": {"\\u005f_proto__": "1"}}}')).toEqual(["spec.recipe"]);
    expect(fields('{"spec": {"recipe": {"proto": "__proto__"}, "model": "__proto__"}}')).toEqual([]);
    expect(fields('{"spec": {"recipe": {"__proto__"')).toEqual([]); // no JSON: told by whoever parses it
  });
});
