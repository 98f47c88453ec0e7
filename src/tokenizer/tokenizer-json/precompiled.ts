import { type AlignedText, AlignedTextBuilder, alignIdentity, textOf } from "../aligned-text.ts";
import { Charsmap } from "../sentencepiece/charsmap.ts";
import { sizeAt } from "./normal-forms.ts";

/** A cluster of more bytes is rewritten character by character. */
const WHOLE_CLUSTER_BYTES = 6;

const clusters = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * A charsmap applied as the library does it, which differs from SentencePiece's own way: to each grapheme cluster of up to
 * five UTF-8 bytes as a whole if any rule matches the bytes it begins with, else to each character. The rule that counts is
 * the *shortest* one, and what it matches is not looked at: the whole cluster is replaced.
 */
export class PrecompiledNormalizer {
  readonly #charsmap: Charsmap;

  /** @throws AlbertError corrupt when the sizes inside the charsmap contradict its length */
  constructor(charsmap: Uint8Array) {
    this.#charsmap = new Charsmap(charsmap, "tokenizer.json");
  }

  normalize(text: AlignedText): AlignedText {
    const out = new AlignedTextBuilder(text.length);
    const { units, length } = text;
    for (let at = 0; at < length; ) {
      if (standsAlone(text, at)) {
        this.#push(text, at, ++at, out);
        continue;
      }
      const start = at;
      while (at < length && !standsAlone(text, at)) at++;
      if (at < length && units[at - 1] === CARRIAGE_RETURN) at++;
      this.#pushClusters(text, start, at, out);
    }
    return out;
  }

  #pushClusters(text: AlignedText, start: number, stop: number, out: AlignedTextBuilder): void {
    for (const { segment, index } of clusters.segment(textOf(text, start, stop))) {
      const from = start + index;
      const to = from + segment.length;
      if (Buffer.byteLength(segment) < WHOLE_CLUSTER_BYTES && this.#replacement(segment) !== undefined) {
        this.#push(text, from, to, out);
        continue;
      }
      for (let at = from; at < to; at += sizeAt(text, at)) this.#push(text, at, at + sizeAt(text, at), out);
    }
  }

  /** Writes the replacement of units `from..to`, or those units where no rule begins them. */
  #push(text: AlignedText, from: number, to: number, out: AlignedTextBuilder): void {
    const c = text.units[from]!;
    const replacement =
      to === from + 1 && c < 0x80 && this.#charsmap.plainAscii[c] === 1
        ? undefined
        : this.#replacement(textOf(text, from, to));
    if (replacement === undefined) {
      for (let i = from; i < to; i++) out.push(text.units[i]!, text.starts[i]!, text.ends[i]!);
    } else {
      out.pushAll(replacement, text.starts[from]!, text.ends[to - 1]!);
    }
  }

  /** By character or cluster; bounded by what fits in five bytes, and cleared when it grows large. */
  readonly #known = new Map<string, string | undefined>();

  #replacement(chunk: string): string | undefined {
    if (this.#known.has(chunk)) return this.#known.get(chunk);
    const found = this.#charsmap.shortest(alignIdentity(chunk));
    if (this.#known.size > 100_000) this.#known.clear();
    this.#known.set(chunk, found);
    return found;
  }
}

const CARRIAGE_RETURN = 0x0d;

/** Whether the character at `at` is ASCII, and what stands behind it too, so that it is a cluster of its own. */
function standsAlone({ units, length }: AlignedText, at: number): boolean {
  const unit = units[at]!;
  return unit < 0x80 && unit !== CARRIAGE_RETURN && (at + 1 === length || units[at + 1]! < 0x80);
}
