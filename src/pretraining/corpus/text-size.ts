import { readTextLines } from "./text-lines.ts";

// Measures a text file and keeps its beginning, for plans.

/** How much text a file holds, unpacked, and what it begins with. */
export interface TextSize {
  readonly bytes: number;
  readonly lines: number;
  /** Whole lines of at least as many bytes as were asked for, or all of them. */
  readonly beginning: string;
}

/** Reads a text file, plain or gzipped, to its end. */
export async function measureText(file: string, beginningBytes = 0): Promise<TextSize> {
  let [bytes, lines] = [0, 0];
  const beginning: string[] = [];
  for await (const { text } of readTextLines(file)) {
    if (bytes < beginningBytes) beginning.push(`${text}\n`);
    bytes += Buffer.byteLength(text) + 1;
    lines++;
  }
  return { bytes, lines, beginning: beginning.join("") };
}
