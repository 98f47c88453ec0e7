import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { toFloat32 } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { parseSafetensors, readSafetensors } from "../../../src/model/formats/safetensors.ts";
import { serializeSafetensors, writeSafetensors } from "../../../src/model/formats/safetensors-writer.ts";

/** A file of this header and this much data. */
function file(header: unknown, dataBytes: number | Uint8Array, declared?: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(declared ?? json.length));
  return Buffer.concat([length, json, typeof dataBytes === "number" ? Buffer.alloc(dataBytes) : dataBytes]);
}

const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

const good = new Map([
  ["b", { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, -0, 1e-40) }],
  ["a", { shape: [], data: Float32Array.of(7) }],
  ["ids", { shape: [2], data: Int32Array.of(-1, 2) }],
  ["step", { shape: [1], data: BigInt64Array.of(-(2n ** 60n)) }],
  ["empty", { shape: [0, 4], data: new Float32Array(0) }],
]);

describe("a safetensors file", () => {
  it("keeps names, shapes, values and metadata", async () => {
    const { tensors, metadata } = await parseSafetensors(serializeSafetensors(good, { format: "pt" }));
    expect(metadata).toEqual({ format: "pt" });
    expect(new Map([...tensors].sort())).toEqual(new Map([...good].sort()));
  });

  it("has the same bytes whatever order its tensors come in, on disk and in memory", async () => {
    const directory = mkdtempSync(join(tmpdir(), "albert-safetensors-"));
    const path = join(directory, "x.safetensors");
    await writeSafetensors(path, new Map([...good].reverse()), { format: "pt" });
    expect(readFileSync(path).equals(serializeSafetensors(good, { format: "pt" }))).toBe(true);
    expect((await readSafetensors(path)).tensors.get("a")!.data[0]).toBe(7);
    await expect(writeSafetensors(path, good)).rejects.toThrow("EEXIST");
    rmSync(directory, { recursive: true });
  });

  it("aligns its data to 8 bytes", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (name) => {
        const bytes = serializeSafetensors(new Map([[`t${name}`, { shape: [1], data: Float32Array.of(1) }]]));
        return Number(Buffer.from(bytes).readBigUInt64LE(0)) % 8 === 0;
      }),
    );
  });
});

describe("half-precision floats", () => {
  it("widen exactly", () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x8000, 0x7c00, 0xfc00, 0x3555);
    expect([...toFloat32(bits, "F16")]).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      0.333251953125,
    ]);
    expect(toFloat32(Uint16Array.of(0x7e00), "F16")[0]).toBeNaN();
    expect([...toFloat32(Uint16Array.of(0x3f80, 0xc020, 0x0080), "BF16")]).toEqual([1, -2.5, 2 ** -126]);
  });

  it("are read from a file as float32", async () => {
    const data = Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer);
    const { tensors } = await parseSafetensors(file({ h: { dtype: "F16", shape: [2], data_offsets: [0, 4] } }, data));
    expect(tensors.get("h")).toEqual({ shape: [2], data: Float32Array.of(1, -2) });
  });
});

describe("a hostile safetensors file is refused, saying where:", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["nothing", new Uint8Array(0), /got 0 bytes/],
    ["no header length", new Uint8Array(7), /got 7 bytes/],
    ["a header longer than the file", file("{}", 0, 1000), /claims 1000 bytes at offset 8/],
    ["a header of 2^63 bytes", Buffer.concat([Buffer.alloc(7), Buffer.from([0x80]), Buffer.alloc(64)]), /claims/],
    ["a header that is not JSON", file("{nonsense", 0), /not JSON/],
    ["a header that is not UTF-8", file({}, 0, 2).map((byte, i) => (i === 8 ? 0xff : byte)), /not JSON/],
    ["a header that is a list", file([], 0), /not a JSON object/],
    ["an entry that is nothing", file({ x: null }, 0), /tensor x/],
    ["an unknown type", file({ x: { ...f32(0, 4), dtype: "Q4" } }, 4), /tensor x has element type "Q4"/],
    ["a type named like an object's method", file({ x: { ...f32(0, 4), dtype: "toString" } }, 4), /tensor x/],
    ["a negative dimension", file({ x: f32(0, 4, [-1]) }, 4), /tensor x has shape \[-1\]/],
    ["a fractional dimension", file({ x: f32(0, 4, [0.5]) }, 4), /tensor x has shape/],
    ["a shape that is no list", file({ x: f32(0, 4, "4") }, 4), /tensor x has shape "4"/],
    ["a shape whose size overflows", file({ x: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), /tensor x of shape/],
    ["a shape that disagrees with its bytes", file({ x: f32(0, 8, [3]) }, 8), /tensor x of shape \[3\].*needs 12/],
    ["reversed offsets", file({ x: f32(4, 0, []) }, 4), /tensor x/],
    [
      "three offsets",
      file({ x: { dtype: "F32", shape: [1], data_offsets: [0, 4, 4] } }, 4),
      /tensor x has data_offsets/,
    ],
    [
      "overlapping tensors",
      file({ x: f32(0, 8), y: f32(4, 12) }, 12),
      /tensor y starts at data offset 4, which overlaps/,
    ],
    ["a hole", file({ x: f32(0, 4), y: f32(8, 12) }, 12), /tensor y starts at data offset 8, which leaves 4 bytes/],
    ["bytes behind the last tensor", file({ x: f32(0, 4) }, 5), /tensors end at byte/],
    ["data cut off", file({ x: f32(0, 4) }, 3), /tensors end at byte/],
    ["metadata that is no text", file({ __metadata__: { a: 1 } }, 0), /__metadata__\.a/],
  ];

  it.each(cases)("%s", async (_, bytes, message) => {
    const error = await parseSafetensors(bytes, "x.safetensors").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AlbertError);
    expect(error).toMatchObject({ code: "corrupt", message: expect.stringMatching(message) });
  });

  it("every truncation", async () => {
    const whole = serializeSafetensors(good);
    for (let length = 0; length < whole.length; length++) {
      await expect(parseSafetensors(whole.subarray(0, length))).rejects.toThrow(AlbertError);
    }
  });

  it("any bytes at all, with nothing but the one kind of error", async () => {
    const whole = serializeSafetensors(good);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (edits) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, value] of edits) bytes[at] = value;
          await parseSafetensors(bytes).catch((error: unknown) => expect(error).toBeInstanceOf(AlbertError));
        },
      ),
    );
  });
});
