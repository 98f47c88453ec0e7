import { appendFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SerialQueue } from "../platform/serial-queue.ts";

// The log of who did what: JSON lines in files of bounded number and size.

/** One line of the log. Names, numbers and reasons only, never text of a request or an answer. */
export interface AuditEntry {
  /** Absent: an unknown caller. */
  readonly caller?: string | undefined;
  readonly peer: string;
  /** A method, or the path of HTTP. */
  readonly method: string;
  readonly request_id?: string;
  /** What it was done to: names, ids and numbers of the request. */
  readonly target?: Readonly<Record<string, string | number>> | undefined;
  /** `ok`, or the reason of the failure. */
  readonly outcome: string;
}

/** Where the log lies, and how much of it is kept. */
export interface AuditOptions {
  readonly file: string;
  /** Size from which a new file is begun; the old one gets the ending `.1`, and so on. */
  readonly maxBytes: number;
  /** How many old files stay. */
  readonly keep: number;
  readonly onError: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Refusals in one second beyond which they are only counted: a caller without rights must not push the others out of the log. */
const MOST_REFUSALS = 20;
/** Lines that may wait for the disk; more are counted and left out. */
const MOST_WAITING = 10_000;

/** Who did what, one JSON object a line, in files of bounded number and size. */
export class AuditLog {
  readonly #options: AuditOptions;
  readonly #now: () => number;
  readonly #queue = new SerialQueue();
  #waiting: string[] = [];
  #bytes: number;
  #second = 0;
  #refusals = 0;
  #left = 0;

  private constructor(options: AuditOptions, bytes: number) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#bytes = bytes;
  }

  /** @throws NodeJS.ErrnoException when the file cannot be written */
  static async open(options: AuditOptions): Promise<AuditLog> {
    await mkdir(dirname(options.file), { recursive: true });
    await appendFile(options.file, "", { mode: 0o600 });
    return new AuditLog(options, (await stat(options.file)).size);
  }

  /** @param refused  whether the caller had no right: of many such lines some are only counted (`left_out` of the next line) */
  write(entry: AuditEntry, refused: boolean): void {
    const now = this.#now();
    if ((refused && !this.#mayWriteRefusal(now)) || this.#waiting.length >= MOST_WAITING) {
      this.#left++;
      return;
    }
    const left = this.#left === 0 ? {} : { left_out: this.#left };
    this.#left = 0;
    const empty = this.#waiting.length === 0;
    this.#waiting.push(`${JSON.stringify({ time: new Date(now).toISOString(), ...entry, ...left })}\n`);
    if (empty) void this.#queue.run(() => this.#flush());
  }

  /** Waits until every line has reached the file. */
  async close(): Promise<void> {
    await this.#queue.drained();
  }

  #mayWriteRefusal(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#refusals = 0;
    }
    return this.#refusals++ < MOST_REFUSALS;
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    try {
      let chunk = "";
      for (const line of lines) {
        const size = Buffer.byteLength(chunk) + Buffer.byteLength(line);
        if (this.#bytes + size > this.#options.maxBytes && this.#bytes + chunk.length > 0) {
          await this.#append(chunk);
          await this.#rotate();
          chunk = "";
        }
        chunk += line;
      }
      await this.#append(chunk);
    } catch (error) {
      this.#left += lines.length;
      this.#options.onError(error);
    }
  }

  async #append(text: string): Promise<void> {
    if (text === "") return;
    await appendFile(this.#options.file, text, { mode: 0o600 });
    this.#bytes += Buffer.byteLength(text);
  }

  async #rotate(): Promise<void> {
    const { file, keep } = this.#options;
    for (let index = keep; index > 0; index--) {
      await rename(index === 1 ? file : `${file}.${index - 1}`, `${file}.${index}`).catch(ignoreAbsent);
    }
    if (keep === 0) await rm(file, { force: true });
    this.#bytes = 0;
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
