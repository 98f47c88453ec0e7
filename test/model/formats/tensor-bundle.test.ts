import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { ArrayTensor } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { maskedCrc32c } from "../../../src/model/formats/crc32c.ts";
import { readSortedTable, writeSortedTable } from "../../../src/model/formats/sstable.ts";
import { openTensorBundle } from "../../../src/model/formats/tensor-bundle.ts";
import { writeTensorBundle } from "../../../src/model/formats/tensor-bundle-writer.ts";
import { scratchDirectory } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();
const DATA = ".data-00000-of-00001";

const tensors = new Map<string, ArrayTensor>([
  ["bert/b", { shape: [3, 5], data: Float32Array.from({ length: 15 }, (_, i) => i / 7) }],
  ["bert/a", { shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
  ["global_step", { shape: [], data: BigInt64Array.of(400n) }],
  ["ids", { shape: [2], data: Int32Array.of(-1, 5) }],
]);

async function written(name: string): Promise<string> {
  const prefix = scratch(`${name}/model.ckpt-7`);
  mkdirSync(dirname(prefix), { recursive: true });
  await writeTensorBundle(prefix, tensors);
  return prefix;
}

async function readEverything(prefix: string): Promise<Map<string, ArrayTensor>> {
  const reader = await openTensorBundle(prefix);
  const read = new Map<string, ArrayTensor>();
  for (const name of reader.entries.keys()) read.set(name, await reader.read(name));
  return read;
}

/** A message of numbers and bytes, by field. */
function message(fields: Readonly<Record<number, number | Uint8Array>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === "number") writer.tag(Number(field), WireType.Varint).uint64(value);
    else writer.tag(Number(field), WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

const EMPTY = new Uint8Array(0);

/** A bundle of one tensor whose index entry, and header, are built field by field. */
async function withEntry(name: string, entry: Uint8Array, header = message({ 1: 1 })): Promise<string> {
  const prefix = scratch(`${name}/m`);
  mkdirSync(dirname(prefix), { recursive: true });
  writeFileSync(
    `${prefix}.index`,
    writeSortedTable([
      ["", header],
      ["x", entry],
    ]),
  );
  writeFileSync(prefix + DATA, new Uint8Array(8));
  return prefix;
}

describe("a TensorFlow bundle", () => {
  it("keeps names, shapes, types and values", async () => {
    expect(await readEverything(await written("kept"))).toEqual(new Map([...tensors].sort()));
  });

  it("names itself as the latest checkpoint", async () => {
    const prefix = await written("latest");
    expect(readFileSync(`${dirname(prefix)}/checkpoint`, "utf8")).toContain('model_checkpoint_path: "model.ckpt-7"');
  });

  it("spreads over several data files", async () => {
    const prefix = scratch("sharded/m");
    mkdirSync(dirname(prefix), { recursive: true });
    const entry = (shard: number, bytes: Uint8Array) => {
      const shape = message({ 2: message({ 1: bytes.length / 4 }) });
      const crc = new BinaryWriter().tag(6, WireType.Bit32).fixed32(maskedCrc32c(bytes)).finish();
      return Buffer.concat([message({ 1: 1, 2: shape, 3: shard, 5: bytes.length }), crc]);
    };
    const [first, second] = [Float32Array.of(1, 2), Float32Array.of(3)].map((data) => new Uint8Array(data.buffer)) as [
      Uint8Array,
      Uint8Array,
    ];
    writeFileSync(`${prefix}.data-00000-of-00002`, first);
    writeFileSync(`${prefix}.data-00001-of-00002`, second);
    writeFileSync(
      `${prefix}.index`,
      writeSortedTable([
        ["", message({ 1: 2 })],
        ["a", entry(0, first)],
        ["b", entry(1, second)],
      ]),
    );
    const read = await readEverything(prefix);
    expect(read.get("a")!.data).toEqual(Float32Array.of(1, 2));
    expect(read.get("b")!.data).toEqual(Float32Array.of(3));
  });
});

describe("a damaged bundle is refused:", () => {
  it.each([0x01, 0x80, 0xff])("any byte of the index changed by %i", async (mask) => {
    const prefix = await written(`index-${mask}`);
    const index = readFileSync(`${prefix}.index`);
    for (let at = 0; at < index.length; at++) {
      const damaged = Uint8Array.from(index);
      damaged[at]! ^= mask;
      writeFileSync(`${prefix}.index`, damaged);
      const error = await readEverything(prefix).catch((thrown: unknown) => thrown);
      expect(error, `byte ${at}`).toBeInstanceOf(AlbertError);
      expect((error as AlbertError).message, `byte ${at}`).toMatch(/byte|offset/);
    }
  });

  it("any byte of the data changed, naming the tensor that holds it", async () => {
    const prefix = await written("data");
    const data = readFileSync(prefix + DATA);
    const owner = (at: number) => (at < 16 ? "bert/a" : at < 76 ? "bert/b" : at < 84 ? "global_step" : "ids");
    for (let at = 0; at < data.length; at++) {
      const damaged = Uint8Array.from(data);
      damaged[at]! ^= 0x10;
      writeFileSync(prefix + DATA, damaged);
      await expect(readEverything(prefix)).rejects.toThrow(`checksum of tensor ${owner(at)} `);
    }
  });

  it("the index cut anywhere", async () => {
    const prefix = await written("index-cut");
    for (let length = readFileSync(`${prefix}.index`).length - 1; length >= 0; length--) {
      truncateSync(`${prefix}.index`, length);
      await expect(openTensorBundle(prefix)).rejects.toMatchObject({ code: "corrupt" });
    }
  });

  it("the data cut anywhere, as soon as it is opened", async () => {
    const prefix = await written("data-cut");
    for (let length = readFileSync(prefix + DATA).length - 1; length >= 0; length -= 5) {
      truncateSync(prefix + DATA, length);
      await expect(openTensorBundle(prefix)).rejects.toThrow(/but tensor .* lies at/);
    }
  });

  it("a data file that is not there", async () => {
    const prefix = await written("gone");
    copyFileSync(`${prefix}.index`, `${prefix}x.index`);
    await expect(openTensorBundle(`${prefix}x`)).rejects.toMatchObject({ code: "not-found" });
    await expect(openTensorBundle(scratch("nowhere"))).rejects.toThrow("nowhere.index cannot be read");
  });

  it("slices, big-endian numbers, unknown types, wrong sizes and shards, each by name", async () => {
    const cases: [string, string, RegExp][] = [
      [await withEntry("slices", message({ 1: 1, 2: EMPTY, 7: EMPTY })), "unimplemented", /x is partitioned/],
      [await withEntry("endian", message({ 1: 1, 2: EMPTY }), message({ 1: 1, 2: 1 })), "unimplemented", /big-endian/],
      [await withEntry("size", message({ 1: 1, 2: EMPTY, 5: 8 })), "corrupt", /x: shape \[\].* 4 bytes, not 8/],
      [await withEntry("shard", message({ 1: 1, 2: EMPTY, 3: 3, 5: 4 })), "corrupt", /data file 3/],
      [await withEntry("wire", Uint8Array.of(0x0f)), "corrupt", /tensor x: the field at byte 0 of 1 .*wire type 7/],
    ];
    for (const [prefix, code, problem] of cases) {
      await expect(openTensorBundle(prefix)).rejects.toMatchObject({ code, message: expect.stringMatching(problem) });
    }
    await expect(readEverything(await withEntry("text", message({ 1: 7 })))).rejects.toThrow("checksum");
  });
});

describe("a sorted table", () => {
  it("holds more entries than one block, found again in order", () => {
    const value = new Uint8Array(3000).fill(7);
    const entries = Array.from({ length: 250 }, (_, i) => [`key/${String(i).padStart(4, "0")}`, value] as const);
    const read = readSortedTable(writeSortedTable(entries), "t");
    expect([...read.keys()]).toEqual(entries.map(([key]) => key));
    expect([...read.values()].every((bytes) => Buffer.from(bytes).equals(value))).toBe(true);
  });

  it("is refused when its keys are out of order", () => {
    const table = writeSortedTable([
      ["b", new Uint8Array(1)],
      ["a", new Uint8Array(1)],
    ]);
    expect(() => readSortedTable(table, "t")).toThrow("out of order");
  });
});
