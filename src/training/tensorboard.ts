import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { maskedCrc32c } from "../model/formats/crc32c.ts";
import { pushBytesField, pushVarintField } from "../model/formats/wire-format.ts";
import { makeDirectory } from "../platform/directories.ts";

/** Wire types of a double and of a float. Both are written also when 0, which a member of a oneof must be. */
const FIXED64 = 1;
const FIXED32 = 5;

/**
 * Writes scalars to a TensorBoard event file: TFRecord frames, each holding one `Event` message. Open the directory with
 * `tensorboard --logdir`.
 */
export class TensorBoardWriter {
  readonly #file: FileHandle;
  readonly #wallSeconds: () => number;

  private constructor(file: FileHandle, wallSeconds: () => number) {
    this.#file = file;
    this.#wallSeconds = wallSeconds;
  }

  /**
   * Begins a new event file; TensorBoard joins the files of a directory, so a resumed run simply begins another.
   *
   * @param wallSeconds  seconds since 1970
   */
  static async open(
    directory: string,
    wallSeconds: () => number = () => Date.now() / 1000,
  ): Promise<TensorBoardWriter> {
    await makeDirectory(directory);
    const name = `events.out.tfevents.${Math.floor(wallSeconds())}.${process.pid}.albert`;
    const writer = new TensorBoardWriter(await open(join(directory, name), "a"), wallSeconds);
    const version: number[] = [];
    pushBytesField(version, 3, Buffer.from("brain.Event:2")); // Event.file_version, always the first record
    await writer.#append(version);
    return writer;
  }

  /** Adds one point to each named curve. Values that are not finite are shown by TensorBoard as gaps. */
  async scalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    const summary: number[] = [];
    for (const [tag, value] of Object.entries(values)) {
      const point: number[] = [];
      pushBytesField(point, 1, Buffer.from(tag)); // Summary.Value.tag
      point.push((2 << 3) | FIXED32, ...new Uint8Array(Float32Array.of(value).buffer)); // Summary.Value.simple_value
      pushBytesField(summary, 1, point); // Summary.value
    }
    const event: number[] = [];
    pushVarintField(event, 2, step); // Event.step
    pushBytesField(event, 5, summary); // Event.summary
    await this.#append(event);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #append(fields: readonly number[]): Promise<void> {
    const event = Buffer.concat([wallTime(this.#wallSeconds()), Buffer.from(fields)]);
    await this.#file.write(frame(event));
  }
}

/** One TFRecord: length, masked CRC of the length, payload, masked CRC of the payload. */
export function frame(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(16 + payload.length);
  bytes.writeBigUInt64LE(BigInt(payload.length), 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(payload, 12);
  bytes.writeUInt32LE(maskedCrc32c(payload), 12 + payload.length);
  return bytes;
}

/** Event.wall_time, field 1, a double. */
function wallTime(seconds: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = (1 << 3) | FIXED64;
  bytes.writeDoubleLE(seconds, 1);
  return bytes;
}
