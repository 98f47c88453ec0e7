// Converts character offsets between UTF-16 units, code points and UTF-8 bytes.

/** What a character offset counts: UTF-16 units (JavaScript, Java), code points (Python, SQuAD files) or UTF-8 bytes (Go, Rust). */
export type OffsetUnit = "utf-16" | "code-point" | "utf-8";

/** UTF-16 offsets into `text`, in any order, as offsets in another unit. */
export function convertOffsets(text: string, offsets: readonly number[], unit: OffsetUnit): number[] {
  return new OffsetConverter(text, unit).convert(offsets);
}

/** Converts offsets into one text in several goes; what begins where the one before began, or later, is not counted again. */
export class OffsetConverter {
  readonly #text: string;
  readonly #unit: OffsetUnit;
  /** A place in the text, in both units. */
  #known = { position: 0, count: 0 };

  constructor(text: string, unit: OffsetUnit) {
    this.#text = text;
    this.#unit = unit;
  }

  /** UTF-16 offsets, in any order, as offsets in the other unit. */
  convert(offsets: readonly number[]): number[] {
    if (this.#unit === "utf-16") return [...offsets];
    const text = this.#text;
    const order = offsets.map((_, i) => i).sort((a, b) => offsets[a]! - offsets[b]!);
    const converted = new Array<number>(offsets.length).fill(0);
    const first = order.length === 0 ? 0 : offsets[order[0]!]!;
    let { position, count } = first >= this.#known.position ? this.#known : { position: 0, count: 0 };
    for (const [place, i] of order.entries()) {
      const target = Math.min(offsets[i]!, text.length);
      while (position < target) {
        const code = text.codePointAt(position)!;
        position += code > 0xffff ? 2 : 1;
        count += this.#unit === "code-point" ? 1 : utf8Length(code);
      }
      converted[i] = count;
      if (place === 0) this.#known = { position, count };
    }
    return converted;
  }
}

/** For each code point of `text`, its UTF-16 offset; one more entry for the end. */
export function codePointStarts(text: string): Int32Array {
  const starts = new Int32Array(text.length + 1);
  let count = 0;
  for (let i = 0; i < text.length; count++) {
    starts[count] = i;
    i += text.codePointAt(i)! > 0xffff ? 2 : 1;
  }
  starts[count] = text.length;
  return starts.subarray(0, count + 1);
}

function utf8Length(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}
