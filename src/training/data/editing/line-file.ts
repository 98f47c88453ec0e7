import { closeSync, openSync, writeSync } from "node:fs";

/** Characters that wait until they are written together. */
const WRITTEN_AT_ONCE = 1 << 20;

/**
 * A text file that is written line by line, by a program or thread that has nothing else to do meanwhile. It must not exist.
 *
 * @throws NodeJS.ErrnoException where it cannot be made or written
 */
export class LineFile {
  readonly #file: number;
  #waiting: string[] = [];
  #characters = 0;

  constructor(path: string) {
    this.#file = openSync(path, "wx");
  }

  add(line: string): void {
    this.#waiting.push(line);
    this.#characters += line.length + 1;
    if (this.#characters >= WRITTEN_AT_ONCE) this.#write();
  }

  close(): void {
    try {
      this.#write();
    } finally {
      closeSync(this.#file);
    }
  }

  #write(): void {
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.from(`${this.#waiting.join("\n")}\n`);
    this.#waiting = [];
    this.#characters = 0;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }
}
