/** Words per slot of the edge table: parent node (-1: free), unit, child node, id of the piece that ends there (-1: none). */
const SLOT = 4;

/**
 * The prefix tree of a vocabulary over UTF-16 units, as one open-addressing hash table of edges: following one costs about one
 * cache line, whatever the alphabet. A node is named by its number; the root is 0.
 */
export class PieceTrie {
  #slots = new Int32Array(1024 * SLOT).fill(-1);
  #mask = this.#slots.length - 1;
  #nodes = 1;

  /** The id of the piece that the last successful `advance` completed, or -1. */
  id = -1;

  /** @param pieces text and id of every piece that may be matched; a later duplicate wins */
  constructor(pieces: readonly { readonly text: string; readonly id: number }[]) {
    for (const { text, id } of pieces) {
      let node = 0;
      for (let i = 0; i < text.length; i++)
        node = this.#child(node, text.charCodeAt(i), i === text.length - 1 ? id : -1);
    }
  }

  /** @returns the child of `node` along `unit`, or -1; `id` tells which piece ends there */
  advance(node: number, unit: number): number {
    const slot = this.#slotOf(node, unit);
    if (this.#slots[slot] === -1) return -1;
    this.id = this.#slots[slot + 3]!;
    return this.#slots[slot + 2]!;
  }

  /** The child of `node` along `unit`, made where it does not exist; `id` is set unless it is -1. */
  #child(node: number, unit: number, id: number): number {
    let slot = this.#slotOf(node, unit);
    if (this.#slots[slot] === -1) {
      if (this.#nodes * SLOT * 2 > this.#slots.length) {
        this.#grow();
        slot = this.#slotOf(node, unit);
      }
      this.#slots[slot] = node;
      this.#slots[slot + 1] = unit;
      this.#slots[slot + 2] = this.#nodes++;
    }
    if (id !== -1) this.#slots[slot + 3] = id;
    return this.#slots[slot + 2]!;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2).fill(-1);
    this.#mask = this.#slots.length - 1;
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at] !== -1) this.#slots.set(old.subarray(at, at + SLOT), this.#slotOf(old[at]!, old[at + 1]!));
    }
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
