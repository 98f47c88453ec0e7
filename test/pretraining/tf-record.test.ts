import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeExample, type Example, encodeExample } from "../../src/pretraining/records/tf-example.ts";
import { frameRecord, readRecords } from "../../src/pretraining/records/tf-record.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function records(bytes: Uint8Array, size = 7): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const record of readRecords(inPieces(bytes, size))) all.push(Buffer.from(record));
  return all;
}

describe("a TFRecord file", () => {
  const file = Buffer.concat(["", "one", "a longer record"].map((text) => frameRecord(Buffer.from(text))));

  it("gives back its records, however it arrives", async () => {
    for (const size of [1, 7, 16, 1000]) {
      expect((await records(file, size)).map(String)).toEqual(["", "one", "a longer record"]);
    }
  });

  it("is refused, with record and offset, when any bit of it is wrong", async () => {
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 1 << (at % 8);
      await expect(records(damaged)).rejects.toThrow(/record \d+ at byte \d+ (has a wrong|is cut off)/);
    }
  });

  it("is refused when it is cut off inside a record", async () => {
    await expect(records(file.subarray(0, file.length - 1))).rejects.toThrow(/record 2 at byte 35 is cut off/);
  });
});

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
      expect(() => decodeExample(bytes.subarray(0, length))).toThrow(/cut off|ends inside/);
    }
  });
});
