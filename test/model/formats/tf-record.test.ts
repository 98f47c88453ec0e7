import { describe, expect, it } from "vitest";
import { frameRecord, readRecords } from "../../../src/model/formats/tf-record.ts";

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
