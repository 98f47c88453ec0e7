import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { corrupt } from "../../errors.ts";
import { crc32c } from "../../model/formats/crc32c.ts";
import { syncDirectory } from "../../platform/directories.ts";
import { SerialQueue } from "../../platform/serial-queue.ts";
import type { JobEvent, NewJobEvent } from "../job-event.ts";
import { Waiters } from "./waiters.ts";

// The append-only file of a job's events: how it is written, flushed and read back after a crash. It knows no kind of
// event.

/**
 * A job's log: an append-only file of lines `<crc32c of the json, 8 hex digits> <json>`. Events are numbered from 1
 * without a gap. An event is flushed to the disk before `append` returns, and no reader sees it earlier.
 *
 * A process killed while it appends leaves a torn last line; opening the log drops it. A wrong line that is not the last
 * cannot come from a kill, and is an error.
 *
 * A log at rest has neither its file open nor its events in memory, since a server keeps every job that it ever had.
 */
export class EventLog {
  readonly #path: string;
  readonly #clock: () => number;
  readonly #steadyClock: () => number;
  /** Moment of the last event that this process wrote, on the steady clock. */
  #wrote: number | undefined;
  readonly #checkFencing: () => Promise<void>;
  /** Undefined at rest. */
  #open: { readonly file: FileHandle; readonly events: JobEvent[] } | undefined;
  #length: number;
  #position: number;
  /** Whether half a line may lie behind the last event. */
  #torn = false;
  readonly #appends = new SerialQueue();
  readonly #waiting = new Waiters();
  #closed = false;

  private constructor(
    path: string,
    file: FileHandle,
    read: ReadLog,
    clock: () => number,
    steadyClock: () => number,
    checkFencing: () => Promise<void>,
  ) {
    this.#path = path;
    this.#open = { file, events: read.events };
    this.#length = read.events.length;
    this.#position = read.bytes;
    this.#clock = clock;
    this.#steadyClock = steadyClock;
    this.#checkFencing = checkFencing;
  }

  /**
   * @param clock    milliseconds since 1970
   * @param checkFencing  rejects when this process may no longer write the log
   * @param steadyClock  milliseconds since some fixed moment; never set
   */
  static async open(
    path: string,
    clock: () => number = Date.now,
    checkFencing: () => Promise<void> = async () => {},
    steadyClock: () => number = () => performance.now(),
  ): Promise<EventLog> {
    const file = await open(path, "a+");
    try {
      const read = readLog(await readFile(path));
      if (read.torn) {
        await file.truncate(read.bytes);
        await file.sync();
      }
      await syncDirectory(dirname(path));
      return new EventLog(path, file, read, clock, steadyClock, checkFencing);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** How many events are durable. */
  get length(): number {
    return this.#length;
  }

  /** Every durable event, in order; read from the disk at rest. @throws AlbertError corrupt (JOB_LOG_CORRUPT) */
  async events(): Promise<readonly JobEvent[]> {
    return this.#open?.events ?? (await this.#read());
  }

  /** The events on the disk. One that is being written is not among them yet. */
  async #read(): Promise<JobEvent[]> {
    const length = this.#length;
    const { events } = readLog(await readFile(this.#path));
    if (events.length >= length) return events.slice(0, length);
    throw corrupt(`a job's log holds ${events.length} of the ${length} events that were written`, {
      reason: "JOB_LOG_CORRUPT",
    });
  }

  /** Closes the file and forgets the events until the next one is written. */
  rest(): Promise<void> {
    return this.#appends.run(async () => {
      const open = this.#open;
      this.#open = undefined;
      await open?.file.close();
    });
  }

  /** Writes one event durably, then shows it. */
  append(event: NewJobEvent): Promise<JobEvent> {
    return this.#appends.run(() => this.#write(event));
  }

  /** Resolves once there is an event after `sequence`, or when the signal is aborted. */
  async newer(sequence: number, signal?: AbortSignal): Promise<void> {
    if (this.#length > sequence || this.#closed) return;
    await this.#waiting.wait(signal);
  }

  /** Whether nothing will be appended any more. */
  get closed(): boolean {
    return this.#closed;
  }

  async close(): Promise<void> {
    await this.rest();
    this.#closed = true;
    this.#waiting.wake();
  }

  /** Removes half a line, which the next event must not follow. */
  async #cut(file: FileHandle): Promise<void> {
    await file.truncate(this.#position);
    this.#torn = false;
  }

  async #wake() {
    const file = await open(this.#path, "a+");
    try {
      return { file, events: await this.#read() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #write(event: NewJobEvent): Promise<JobEvent> {
    const steadyMs = this.#steadyClock();
    const sinceMs = this.#wrote === undefined ? {} : { sinceMs: Math.round(steadyMs - this.#wrote) };
    const numbered: JobEvent = { ...event, sequence: this.#length + 1, timeMs: this.#clock(), ...sinceMs };
    const line = encodeLine(numbered);
    await this.#checkFencing();
    this.#open ??= await this.#wake();
    const { file, events } = this.#open;
    if (this.#torn) await this.#cut(file);
    try {
      await file.appendFile(line);
      await file.datasync();
    } catch (error) {
      this.#torn = true;
      await this.#cut(file).catch(() => {}); // the next event begins with it
      throw error;
    }
    this.#position += line.length;
    this.#length = events.push(numbered);
    this.#wrote = steadyMs;
    this.#waiting.wake();
    return numbered;
  }
}

interface ReadLog {
  readonly events: JobEvent[];
  /** Length of the part that is whole. */
  readonly bytes: number;
  readonly torn: boolean;
}

/** The events of a log's bytes. @throws AlbertError corrupt when a line before the last is wrong */
export function readLog(bytes: Uint8Array): ReadLog {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: JobEvent[] = [];
  let at = 0;
  while (at < buffer.length) {
    const end = buffer.indexOf(0x0a, at);
    const event = end < 0 ? undefined : decodeLine(buffer.subarray(at, end));
    if (event === undefined || event.sequence !== events.length + 1) {
      const last = end < 0 || end === buffer.length - 1;
      if (last) return { events, bytes: at, torn: true };
      throw corrupt(`event ${events.length + 1} of a job's log is damaged`, { reason: "JOB_LOG_CORRUPT" });
    }
    events.push(event);
    at = end + 1;
  }
  return { events, bytes: at, torn: false };
}

function encodeLine(event: JobEvent): Buffer {
  const json = Buffer.from(JSON.stringify(event));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from("\n")]);
}

function decodeLine(line: Buffer): JobEvent | undefined {
  const json = line.subarray(9);
  if (line.length < 10 || line.toString("latin1", 0, 9) !== `${checksum(json)} `) return undefined;
  return JSON.parse(json.toString("utf8")) as JobEvent; // the checksum proves that we wrote it
}

function checksum(bytes: Uint8Array): string {
  return crc32c(bytes).toString(16).padStart(8, "0");
}
