import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeExample, type Example, encodeExample } from "../../../src/pretraining/records/tf-example.ts";

describe("a tf.Example", () => {
  it("survives encoding, whatever it holds", () => {
    const integers = fc.array(fc.maxSafeNat(), { minLength: 1 }).map((values) => ({ kind: "int64" as const, values }));
    const floats = fc
      .array(fc.float({ noNaN: true }), { minLength: 1 })
      .map((values) => ({ kind: "float" as const, values }));
    const feature = fc.oneof(integers, floats);
    const example: fc.Arbitrary<Example> = fc
      .uniqueArray(fc.tuple(fc.string(), feature), { selector: ([name]) => name })
      .map((entries) => new Map(entries));
    fc.assert(
      fc.property(example, (given) => {
        expect([...decodeExample(encodeExample(given))]).toEqual([...given]);
      }),
      { numRuns: 100 },
    );
  });

  it("is understood when its lists are not packed", () => {
    // features { feature { key: "a" value { int64_list { value: 1 value: 300 } } } }, one field per value
    const bytes = Buffer.from([10, 14, 10, 12, 10, 1, 97, 18, 7, 26, 5, 8, 1, 8, 172, 2]);
    expect([...decodeExample(bytes)]).toEqual([["a", { kind: "int64", values: [1, 300] }]]);
  });

  it("is refused when it is cut off", () => {
    const bytes = encodeExample(new Map([["a", { kind: "int64", values: [1, 2, 3] }]]));
    for (let length = 1; length < bytes.length; length++) {
      expect(() => decodeExample(bytes.subarray(0, length))).toThrow(/tf.Example: .*(cut off|cannot be read)/);
    }
  });
});
