import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { maskedCrc32c } from "../../src/model/formats/crc32c.ts";
import { protobufFields } from "../../src/platform/protobuf-fields.ts";
import { TensorBoardWriter } from "../../src/training/tensorboard.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-events-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function* records(file: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const payload = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(payload));
    yield payload;
    at += 16 + length;
  }
}

describe("TensorBoard event files", () => {
  it("begin with the version and hold every scalar, zero too, with its step", async () => {
    const writer = await TensorBoardWriter.open(directory, () => 1_700_000_000.5);
    await writer.scalars(7, { loss: 0.5, learning_rate: 0 });
    await writer.close();
    const [name] = await readdir(directory);
    expect(name).toMatch(/^events\.out\.tfevents\.1700000000\./);
    const [version, event] = [...records(await readFile(join(directory, name!)))];
    expect(Buffer.from(version!).toString("latin1")).toContain("brain.Event:2");
    expect(Buffer.from(event!).readDoubleLE(1)).toBe(1_700_000_000.5);
    const fieldsOf = (message: Uint8Array) => [...protobufFields(message, "event")];
    const fields = fieldsOf(event!);
    expect(fields.find(({ number }) => number === 2)?.value).toBe(7);
    const summary = fieldsOf(fields.find(({ number }) => number === 5)!.bytes);
    const points = summary.map(({ bytes }) => fieldsOf(bytes));
    const floats = points.map((point) => {
      const bits = point.find(({ number }) => number === 2)!.value;
      return new Float32Array(Uint32Array.of(bits).buffer)[0];
    });
    expect(floats).toEqual([0.5, 0]);
  });
});
