import { barText, StatusLine, type StatusPart, type TerminalStream } from "./status-line.ts";
import { durationText } from "./training/training-progress.ts";

// How far a piece of work is: a line that is written over on a terminal, now and then a whole line elsewhere.

/** Work that is over by then needs no line where every line stays. */
const FIRST_LINE_MS = 2_000;
const LINE_MS = 10_000;

/** Shows how much of something is done, and how long the rest will take. */
export class WorkProgress {
  readonly #line: StatusLine;
  readonly #what: string;
  readonly #now: () => number;
  readonly #startedMs: number;
  #nextLineMs: number;

  /** @param what  in the plural, such as "examples" */
  constructor(stream: TerminalStream, what: string, now: () => number = () => performance.now()) {
    this.#line = new StatusLine(stream);
    this.#what = what;
    this.#now = now;
    this.#startedMs = now();
    this.#nextLineMs = this.#startedMs + FIRST_LINE_MS;
  }

  /** @param besides  what else there is to say, the least important */
  show(done: number, total: number, besides = ""): void {
    const nowMs = this.#now();
    const seconds = (nowMs - this.#startedMs) / 1000;
    const left = done > 0 && done < total ? `${durationText((seconds / done) * (total - done))} left` : "";
    const parts: readonly StatusPart[] = [
      { text: barText(done, total), rank: 3 },
      { text: `${done}/${total} ${this.#what}`, rank: 0 },
      { text: left, rank: 1 },
      { text: besides, rank: 2 },
    ];
    if (this.#line.isLive) {
      this.#line.update(parts);
      return;
    }
    if (nowMs < this.#nextLineMs) return;
    this.#nextLineMs = nowMs + LINE_MS;
    const [, ...told] = parts;
    this.#line.say(
      told
        .map(({ text }) => text)
        .filter((text) => text !== "")
        .join("  "),
    );
  }

  close(): void {
    this.#line.close();
  }
}

/**
 * Waits for something that cannot say how far it is; after two seconds says that it still goes on, and for how long it has.
 *
 * @param what  such as "the server compares"
 */
export async function saidToWait<T>(
  what: string,
  work: Promise<T>,
  stream: TerminalStream = process.stderr,
  everyMs = 1_000,
): Promise<T> {
  const line = new StatusLine(stream);
  const startedMs = performance.now();
  let nextLineMs = startedMs + FIRST_LINE_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (nowMs < nextLineMs) return;
    const text = `${what}: ${durationText((nowMs - startedMs) / 1000)}`;
    if (line.isLive) line.update([{ text, rank: 0 }]);
    else {
      line.say(text);
      nextLineMs = nowMs + LINE_MS;
    }
  }, everyMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    line.close();
  }
}
