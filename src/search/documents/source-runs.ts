// Where the characters of a text that was extracted from a file stand in that file, in few numbers.

/** Numbers of one run: where it starts in the text, where in the source, and how many characters of the source it covers. */
export const RUN_NUMBERS = 3;

/**
 * Collects runs of characters, in the order of the text. Characters that follow each other in both text and source make one
 * run; a run whose two lengths differ (an entity, white space that was collapsed) is one thing.
 */
export class SourceRuns {
  readonly #numbers: number[] = [];
  #textEnd = 0;

  /** The next `length` characters of the text come from these `sourceLength` characters of the source. */
  add(length: number, source: number, sourceLength: number): void {
    if (length === 0) return;
    const numbers = this.#numbers;
    const at = numbers.length - RUN_NUMBERS;
    const sameLengths = length === sourceLength;
    if (at >= 0 && sameLengths) {
      const [start, lastSource, lastLength] = [numbers[at]!, numbers[at + 1]!, numbers[at + 2]!];
      const linear = this.#textEnd - start === lastLength;
      if (linear && lastSource + lastLength === source) {
        numbers[at + 2] = lastLength + sourceLength;
        this.#textEnd += length;
        return;
      }
    }
    numbers.push(this.#textEnd, source, sourceLength);
    this.#textEnd += length;
  }

  /** [R, 3], rows in the order of the text. */
  finish(): Int32Array {
    return Int32Array.from(this.#numbers);
  }
}

/**
 * The range of the source that holds a range of the text; what stands between, such as tags, is inside.
 *
 * @param runs   [R, 3] as `SourceRuns` made them
 * @param start  of a range that is not empty
 */
export function sourceRange(
  runs: Int32Array,
  textLength: number,
  { start, end }: { readonly start: number; readonly end: number },
): { readonly start: number; readonly end: number } {
  const first = placeOf(runs, textLength, start);
  const last = placeOf(runs, textLength, end - 1);
  return { start: first.start, end: Math.max(first.end, last.end) };
}

/** The source's characters that one character of the text came from. */
function placeOf(runs: Int32Array, textLength: number, position: number): { start: number; end: number } {
  let low = 0;
  let high = runs.length / RUN_NUMBERS - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (runs[middle * RUN_NUMBERS]! <= position) low = middle;
    else high = middle - 1;
  }
  const at = low * RUN_NUMBERS;
  const [start, source, length] = [runs[at]!, runs[at + 1]!, runs[at + 2]!];
  const next = at + RUN_NUMBERS < runs.length ? runs[at + RUN_NUMBERS]! : textLength;
  if (next - start !== length) return { start: source, end: source + length };
  return { start: source + position - start, end: source + position - start + 1 };
}
