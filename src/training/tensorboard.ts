import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { frameRecord } from "../model/formats/tf-record.ts";
import { makeDirectory } from "../platform/directories.ts";

// Event files of TensorBoard: TFRecord frames, each holding one `Event` message.

/** The record that every event file begins with. @param wallSeconds  seconds since 1970 */
export function fileVersionRecord(wallSeconds: number): Uint8Array {
  return record(wallSeconds, (event) => event.tag(3, WireType.LengthDelimited).string("brain.Event:2")); // Event.file_version
}

/** One point of each named curve. Values that are not finite are shown by TensorBoard as gaps. @param wallSeconds  seconds since 1970 */
export function scalarsRecord(wallSeconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  return record(wallSeconds, (event) => {
    event.tag(2, WireType.Varint).uint64(step); // Event.step
    event.tag(5, WireType.LengthDelimited).fork(); // Event.summary
    for (const [tag, value] of Object.entries(values)) {
      event.tag(1, WireType.LengthDelimited).fork(); // Summary.value
      event.tag(1, WireType.LengthDelimited).string(tag); // Summary.Value.tag
      event.tag(2, WireType.Bit32).float(value); // Summary.Value.simple_value, of a oneof: written also when 0
      event.join();
    }
    event.join();
  });
}

function record(wallSeconds: number, write: (event: BinaryWriter) => void): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallSeconds); // Event.wall_time
  write(event);
  return frameRecord(event.finish());
}

/** Writes scalars to an event file while a run goes on. Open the directory with `tensorboard --logdir`. */
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
    await writer.#file.appendFile(fileVersionRecord(wallSeconds()));
    return writer;
  }

  /** Adds one point to each named curve. */
  async scalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    await this.#file.appendFile(scalarsRecord(this.#wallSeconds(), step, values));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
