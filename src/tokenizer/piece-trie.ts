/** Words per slot of the edge table: parent node (-1: free), unit, child node, id of the piece that ends there (-1: none). */
const SLOT = 4;

/**
 * The prefix tree of a vocabulary over UTF-16 units, as one open-addressing hash table of edges: a step costs about one
 * cache line, whatever the alphabet. A node is named by its number; the root is 0.
 */
export class PieceTrie {
  readonly #slots: Int32Array;
  readonly #mask: number;

  /** The id of the piece that the last successful `step` completed, or -1. */
  id = -1;

  /** @param pieces text and id of every piece that may be matched; a later duplicate wins */
  constructor(pieces: readonly { readonly text: string; readonly id: number }[]) {
    let capacity = 16;
    while (capacity < 2 * countPrefixes(pieces.map((piece) => piece.text))) capacity *= 2;
    this.#slots = new Int32Array(capacity * SLOT).fill(-1);
    this.#mask = capacity * SLOT - 1;
    let nodes = 1;
    for (const { text, id } of pieces) {
      let node = 0;
      let slot = -1;
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        slot = this.#slotOf(node, unit);
        if (this.#slots[slot] === -1) {
          this.#slots[slot] = node;
          this.#slots[slot + 1] = unit;
          this.#slots[slot + 2] = nodes++;
        }
        node = this.#slots[slot + 2]!;
      }
      if (slot >= 0) this.#slots[slot + 3] = id;
    }
  }

  /** @returns the child of `node` along `unit`, or -1; `id` tells which piece ends there */
  step(node: number, unit: number): number {
    const slot = this.#slotOf(node, unit);
    if (this.#slots[slot] === -1) return -1;
    this.id = this.#slots[slot + 3]!;
    return this.#slots[slot + 2]!;
  }

  /** The slot of an edge, or the free one where it belongs. The table is at most half full, so the search ends. */
  #slotOf(node: number, unit: number): number {
    const slots = this.#slots;
    let slot = ((Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 9) * SLOT;
    for (;;) {
      slot &= this.#mask;
      const parent = slots[slot]!;
      if (parent === -1 || (parent === node && slots[slot + 1] === unit)) return slot;
      slot += SLOT;
    }
  }
}

/** How many different non-empty prefixes the texts have: the edges of their tree. */
function countPrefixes(texts: readonly string[]): number {
  let count = 0;
  let previous = "";
  for (const text of [...texts].sort()) {
    let shared = 0;
    while (shared < text.length && text.charCodeAt(shared) === previous.charCodeAt(shared)) shared++;
    count += text.length - shared;
    previous = text;
  }
  return count;
}
