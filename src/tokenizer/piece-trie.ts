/**
 * The prefix tree of a vocabulary over UTF-16 units, as one open-addressing hash table of edges: a step costs about one
 * memory access, whatever the alphabet.
 */
export class PieceTrie {
  /** Two words per slot: the key (node, unit) packed into one double would not hash well, so they stay apart. */
  readonly #parents: Int32Array;
  readonly #units: Uint16Array;
  readonly #children: Int32Array;
  readonly #mask: number;
  /** The id of the piece that ends at a node, or -1. */
  readonly #ids: Int32Array;

  /** The node where every walk begins. */
  static readonly ROOT = 0;

  /** @param pieces text and id of every piece that may be matched; a later duplicate wins */
  constructor(pieces: readonly { readonly text: string; readonly id: number }[]) {
    const edges = pieces.reduce((sum, piece) => sum + piece.text.length, 0);
    let slots = 16;
    while (slots < 2 * edges) slots *= 2;
    this.#mask = slots - 1;
    this.#parents = new Int32Array(slots).fill(-1);
    this.#units = new Uint16Array(slots);
    this.#children = new Int32Array(slots);
    this.#ids = new Int32Array(edges + 1).fill(-1);
    let nodes = 1;
    for (const { text, id } of pieces) {
      let node = PieceTrie.ROOT;
      for (let i = 0; i < text.length; i++) {
        const slot = this.#slotOf(node, text.charCodeAt(i));
        if (this.#parents[slot] === -1) {
          this.#parents[slot] = node;
          this.#units[slot] = text.charCodeAt(i);
          this.#children[slot] = nodes++;
        }
        node = this.#children[slot]!;
      }
      this.#ids[node] = id;
    }
  }

  /** @returns the child of `node` along `unit`, or -1 */
  step(node: number, unit: number): number {
    const slot = this.#slotOf(node, unit);
    return this.#parents[slot] === -1 ? -1 : this.#children[slot]!;
  }

  /** @returns the id of the piece that ends at `node`, or -1 */
  idAt(node: number): number {
    return this.#ids[node]!;
  }

  /** The slot of an edge, or the free one where it belongs. The table is at most half full, so the probe ends. */
  #slotOf(node: number, unit: number): number {
    let slot = (Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 7;
    for (;;) {
      slot &= this.#mask;
      const parent = this.#parents[slot]!;
      if (parent === -1 || (parent === node && this.#units[slot] === unit)) return slot;
      slot++;
    }
  }
}
