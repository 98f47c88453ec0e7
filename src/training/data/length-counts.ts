import type { Example } from "../../tasks/datasets/examples.ts";
import type { LengthBin } from "./dataset-report.ts";

// How long rows are, in words: a histogram for people.

/** Bins of a histogram, at most; the last one holds whatever is longer. */
const MOST_BINS = 20;

/** Share of the rows that the bins of equal width cover. */
const COVERED = 0.99;

/** Counts rows by their words, and divides the counts into bins that can be drawn. */
export class LengthCounts {
  readonly #rows = new Map<number, number>();
  #total = 0;

  add(example: Example): void {
    const words = wordsOf(example);
    this.#rows.set(words, (this.#rows.get(words) ?? 0) + 1);
    this.#total++;
  }

  /** Bins of equal width, the last of which also holds the longest hundredth. */
  bins(): LengthBin[] {
    const lengths = [...this.#rows].sort(([a], [b]) => a - b);
    const longest = lengths.at(-1)?.[0];
    if (longest === undefined) return [];
    const covered = coveredLength(lengths, COVERED * this.#total);
    const width = Math.max(1, Math.ceil((covered + 1) / MOST_BINS));
    const count = Math.floor(covered / width) + 1;
    const rows = new Array<number>(count).fill(0);
    for (const [length, many] of lengths) rows[Math.min(count - 1, Math.floor(length / width))]! += many;
    return rows.map((many, i) => {
      const to = i === count - 1 ? Math.max(longest, (i + 1) * width - 1) : (i + 1) * width - 1;
      return { from: i * width, to, rows: many };
    });
  }
}

/** The length that so many rows do not exceed. @param lengths  with their rows, in order */
function coveredLength(lengths: readonly (readonly [length: number, rows: number])[], wanted: number): number {
  let seen = 0;
  for (const [length, rows] of lengths) {
    seen += rows;
    if (seen >= wanted) return length;
  }
  return 0;
}

/** Words between white space: of a text or pair, of a question's or choice's document, of an anchor. */
function wordsOf(example: Example): number {
  const text =
    example.kind === "classification"
      ? `${example.text} ${example.textPair ?? ""}`
      : example.kind === "pair"
        ? example.anchor
        : example.context || example.question;
  return text.split(/\s+/).filter((word) => word !== "").length;
}
