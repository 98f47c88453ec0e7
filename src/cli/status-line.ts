// One line at the bottom of a terminal that is written over and over, with whole lines above it. Elsewhere only the
// whole lines.

/** What is needed of a stream. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  /** Cells of a line; changes with the window. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** Where a terminal does not tell its width. */
const USUAL_COLUMNS = 80;

export class StatusLine {
  readonly #stream: TerminalStream;
  #status = "";
  /** Cells that the line on the screen takes. */
  #drawn = 0;

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  /** Whether there is a terminal to write over. */
  get isLive(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Shows what fits of some parts, those with the lowest rank first; nothing where there is no terminal. */
  update(parts: readonly StatusPart[]): void {
    if (!this.isLive) return;
    // The last cell stays free: a terminal may begin a new line as soon as it is written.
    this.#status = fitting(parts, (this.#stream.columns || USUAL_COLUMNS) - 1);
    this.#draw(this.#status);
  }

  /** Writes a line above the status. */
  say(text: string): void {
    if (this.#drawn > 0) {
      this.#draw("");
      this.#stream.write("\r");
    }
    this.#stream.write(`${text}\n`);
    this.#drawn = 0;
    if (this.#status !== "") this.#draw(this.#status);
  }

  /** Leaves the status where it is and goes to the next line. Saying something and a new status begin anew. */
  close(): void {
    if (this.#drawn > 0) this.#stream.write("\n");
    this.#status = "";
    this.#drawn = 0;
  }

  /** Spaces, and no control sequences, hide what was longer: every terminal knows them. */
  #draw(text: string): void {
    const room = Math.max(0, (this.#stream.columns || USUAL_COLUMNS) - 1);
    this.#stream.write(`\r${text.padEnd(Math.min(this.#drawn, room))}`);
    this.#drawn = text.length;
  }
}

/** A piece of a status. */
export interface StatusPart {
  readonly text: string;
  /** Those with the lowest rank are kept longest where room is scarce. */
  readonly rank: number;
}

/** The parts that fit side by side, in their order; a part that is too long by itself is cut. */
export function fitting(parts: readonly StatusPart[], width: number): string {
  const kept = new Set<StatusPart>();
  let used = 0;
  for (const part of [...parts].sort((a, b) => a.rank - b.rank)) {
    const needed = part.text.length + (kept.size > 0 ? 2 : 0);
    if (part.text === "" || (kept.size > 0 && used + needed > width)) continue;
    kept.add(part);
    used += needed;
  }
  return parts
    .filter((part) => kept.has(part))
    .map(({ text }) => text)
    .join("  ")
    .slice(0, Math.max(0, width));
}

/** How far something is, as a bar of so many cells. */
export function barText(done: number, total: number, cells = 24): string {
  const full = total > 0 ? Math.round(Math.min(1, Math.max(0, done / total)) * cells) : 0;
  return `[${"#".repeat(full)}${".".repeat(cells - full)}]`;
}

const BLOCKS = "▁▂▃▄▅▆▇█";

/** The course of a number in so many cells, the newest at the right; nothing for fewer than two numbers. */
export function sparkText(values: readonly number[], cells = 12): string {
  const shown = values.filter(Number.isFinite).slice(-cells);
  if (shown.length < 2) return "";
  const [least, most] = [Math.min(...shown), Math.max(...shown)];
  return shown
    .map((value) => BLOCKS[most === least ? 0 : Math.round(((value - least) / (most - least)) * (BLOCKS.length - 1))])
    .join("");
}
