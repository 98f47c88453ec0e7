import { corrupt } from "../../errors.ts";
import { type AlignedText, textOf } from "../aligned-text.ts";
import { codePointAt } from "./preprocess.ts";

// The rewriting rules of a SentencePiece normaliser, and the search for the rule at a position.

/** The longest rule that applies at a position. */
export interface CharsmapMatch {
  /** UTF-16 units that the rule replaces; 0 when no rule applies. */
  length: number;
  replacement: string;
}

/**
 * The rewriting rules of a SentencePiece normaliser (`precompiled_charsmap`): a little-endian uint32 with the byte size of a
 * double-array trie, the trie over UTF-8 bytes (uint32 units, darts-clone layout), then NUL-terminated replacements
 * that the trie's values point at.
 */
export class Charsmap {
  readonly #trie: Uint32Array;
  readonly #replacements: Uint8Array;
  /** Decoded replacements by their offset; bounded by the rules of the file. */
  readonly #decoded = new Map<number, string>();
  /** ASCII characters that no rule starts with unless a non-ASCII character follows. */
  readonly plainAscii = new Uint8Array(128);

  /**
   * @param what  the name in error messages of the file that holds the rules
   * @throws AlbertError corrupt when the sizes inside the blob contradict its length
   */
  constructor(blob: Uint8Array, what = "SentencePiece model") {
    if (blob.length === 0) {
      this.#trie = new Uint32Array(0);
      this.#replacements = blob;
    } else {
      const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
      const trieBytes = blob.length < 4 ? -1 : view.getUint32(0, true);
      if (trieBytes < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > blob.length) {
        throw corrupt(
          `${what}: the normaliser's rules claim ${trieBytes} of ${blob.length} bytes, expected at most ${blob.length - 4}; copy the file again`,
        );
      }
      this.#trie = new Uint32Array(trieBytes / 4);
      for (let i = 0; i < this.#trie.length; i++) this.#trie[i] = view.getUint32(4 + 4 * i, true);
      this.#replacements = blob.subarray(4 + trieBytes);
    }
    for (let c = 0; c < 128; c++) this.plainAscii[c] = this.#isPlain(c) ? 1 : 0;
  }

  /** Finds the longest rule at unit `at` of `text`; the result is written to `match`. */
  match(text: AlignedText, at: number, match: CharsmapMatch): void {
    match.length = 0;
    if (this.#trie.length === 0) return;
    let node = offsetOf(this.#trie[0]!);
    let value = -1;
    for (let i = at; i < text.length; ) {
      const c = codePointAt(text, i);
      if (c < 0x80) {
        node = this.#advance(node, c);
      } else if (c < 0x800) {
        node = this.#advance(node, 0xc0 | (c >> 6));
        if (node >= 0) node = this.#advance(node, 0x80 | (c & 0x3f));
      } else if (c < 0x10000) {
        node = this.#advance(node, 0xe0 | (c >> 12));
        if (node >= 0) node = this.#advance(node, 0x80 | ((c >> 6) & 0x3f));
        if (node >= 0) node = this.#advance(node, 0x80 | (c & 0x3f));
      } else {
        node = this.#advance(node, 0xf0 | (c >> 18));
        if (node >= 0) node = this.#advance(node, 0x80 | ((c >> 12) & 0x3f));
        if (node >= 0) node = this.#advance(node, 0x80 | ((c >> 6) & 0x3f));
        if (node >= 0) node = this.#advance(node, 0x80 | (c & 0x3f));
      }
      if (node < 0) break;
      i += c > 0xffff ? 2 : 1;
      if (this.#hasLeaf) {
        value = this.#trie[node]! & 0x7fffffff;
        match.length = i - at;
      }
    }
    if (match.length > 0) match.replacement = this.#replacementAt(value);
  }

  /** The replacement of the *shortest* rule that a text begins with, or undefined where it begins with none. */
  shortest(text: AlignedText): string | undefined {
    if (this.#trie.length === 0) return undefined;
    let node = offsetOf(this.#trie[0]!);
    for (const byte of Buffer.from(textOf(text), "utf8")) {
      node = this.#advance(node, byte);
      if (node < 0) return undefined;
      if (this.#hasLeaf) return this.#replacementAt(this.#trie[node]! & 0x7fffffff);
    }
    return undefined;
  }

  /** Whether the unit that the last `#advance` reached ends a rule. */
  #hasLeaf = false;

  /** @returns the position of the child's own children, or -1 when there is no such child */
  #advance(node: number, byte: number): number {
    const child = node ^ byte;
    if (child >= this.#trie.length) return -1;
    const unit = this.#trie[child]!;
    if ((unit & 0x800000ff) >>> 0 !== byte) return -1;
    this.#hasLeaf = ((unit >>> 8) & 1) === 1;
    const next = child ^ offsetOf(unit);
    return next < this.#trie.length ? next : -1;
  }

  #isPlain(c: number): boolean {
    if (this.#trie.length === 0) return true;
    const node = this.#advance(offsetOf(this.#trie[0]!), c);
    if (node < 0) return true;
    if (this.#hasLeaf) return false;
    for (let next = 0; next < 128; next++) if (this.#advance(node, next) >= 0) return false;
    return true;
  }

  #replacementAt(offset: number): string {
    let text = this.#decoded.get(offset);
    if (text === undefined) {
      let end = offset;
      while (end < this.#replacements.length && this.#replacements[end] !== 0) end++;
      text = utf8.decode(this.#replacements.subarray(offset, end));
      this.#decoded.set(offset, text);
    }
    return text;
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Distance from a unit to its children, in darts-clone's packed form. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
