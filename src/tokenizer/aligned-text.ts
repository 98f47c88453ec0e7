// Text that remembers, through every rewriting, which part of the original each unit came from.

/**
 * Text that remembers where it came from. `units[i]` is one UTF-16 unit of a rewritten text; `starts[i]..ends[i]` is the
 * half-open range of UTF-16 units of the *original* text that it stands for. Both arrays never decrease, whatever was
 * deleted, collapsed or expanded on the way.
 */
export interface AlignedText {
  readonly length: number;
  readonly units: Uint16Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** Grows an {@link AlignedText} unit by unit. */
export class AlignedTextBuilder implements AlignedText {
  length = 0;
  units: Uint16Array;
  starts: Int32Array;
  ends: Int32Array;

  /** @param capacity expected number of units; a good guess saves copying */
  constructor(capacity: number) {
    this.units = new Uint16Array(capacity);
    this.starts = new Int32Array(capacity);
    this.ends = new Int32Array(capacity);
  }

  push(unit: number, start: number, end: number): void {
    if (this.length === this.units.length) this.#grow();
    this.units[this.length] = unit;
    this.starts[this.length] = start;
    this.ends[this.length++] = end;
  }

  /** Pushes every unit of `text`, all standing for the same range of the original. */
  pushAll(text: string, start: number, end: number): void {
    for (let i = 0; i < text.length; i++) this.push(text.charCodeAt(i), start, end);
  }

  /** Lets the last unit also stand for what was deleted up to `end`: an accent belongs to its letter. */
  extendLast(end: number): void {
    if (this.length > 0) this.ends[this.length - 1] = end;
  }

  /** Drops the last unit. */
  pop(): void {
    if (this.length > 0) this.length--;
  }

  #grow(): void {
    const capacity = Math.max(32, this.units.length * 2);
    const units = new Uint16Array(capacity);
    const starts = new Int32Array(capacity);
    const ends = new Int32Array(capacity);
    units.set(this.units);
    starts.set(this.starts);
    ends.set(this.ends);
    this.units = units;
    this.starts = starts;
    this.ends = ends;
  }
}

/** A text that stands for itself. */
export function alignIdentity(text: string): AlignedText {
  const aligned = new AlignedTextBuilder(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const pair = isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(i + 1));
    aligned.push(unit, i, i + (pair ? 2 : 1));
    if (pair) {
      aligned.push(text.charCodeAt(i + 1), i, i + 2);
      i++;
    }
  }
  return aligned;
}

/** The units `from..to` (half-open) of an aligned text as a string. */
export function textOf(aligned: AlignedText, from = 0, to = aligned.length): string {
  const { units } = aligned;
  if (to - from <= 64) {
    let text = "";
    for (let i = from; i < to; i++) text += String.fromCharCode(units[i]!);
    return text;
  }
  return Buffer.from(units.buffer, units.byteOffset + 2 * from, 2 * (to - from)).toString("utf16le");
}

export function isHighSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

export function isLowSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}
