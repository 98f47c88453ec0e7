// Converts character offsets between UTF-16 units, code points and UTF-8 bytes.

/** What a character offset counts: UTF-16 units (JavaScript, Java), code points (Python, SQuAD files) or UTF-8 bytes (Go, Rust). */
export type OffsetUnit = "utf-16" | "code-point" | "utf-8";

/** UTF-16 offsets into `text`, in any order, as offsets in another unit. */
export function convertOffsets(text: string, offsets: readonly number[], unit: OffsetUnit): number[] {
  if (unit === "utf-16") return [...offsets];
  const order = offsets.map((_, i) => i).sort((a, b) => offsets[a]! - offsets[b]!);
  const converted = new Array<number>(offsets.length).fill(0);
  let position = 0;
  let count = 0;
  for (const i of order) {
    const target = Math.min(offsets[i]!, text.length);
    while (position < target) {
      const code = text.codePointAt(position)!;
      position += code > 0xffff ? 2 : 1;
      count += unit === "code-point" ? 1 : utf8Length(code);
    }
    converted[i] = count;
  }
  return converted;
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
