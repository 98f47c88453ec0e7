import type { PackedTokens } from "./corpus/packed-token.ts";
import type { TokenStore } from "./corpus/token-store.ts";
import type { Documents } from "./instances/instance.ts";

/** Some documents of a larger set, under numbers of their own. */
class DocumentSubset implements Documents {
  readonly #documents: Documents;
  readonly #chosen: Uint32Array;

  constructor(documents: Documents, chosen: Uint32Array) {
    this.#documents = documents;
    this.#chosen = chosen;
  }

  get count(): number {
    return this.#chosen.length;
  }

  sentenceCount(document: number): number {
    return this.#documents.sentenceCount(this.#chosen[document]!);
  }

  lengths(document: number): ArrayLike<number> {
    return this.#documents.lengths(this.#chosen[document]!);
  }

  read(document: number, first: number, sentences: number): PackedTokens {
    return this.#documents.read(this.#chosen[document]!, first, sentences);
  }

  readAtLeast(document: number, first: number, tokens: number): PackedTokens {
    return this.#documents.readAtLeast(this.#chosen[document]!, first, tokens);
  }
}

/**
 * Splits documents into those to train on and those to hold out, by a hash of their content: a document is on the same side
 * whatever lies around it and however the files are ordered, and copies of it are never on both sides.
 *
 * @param share of all documents to hold out, 0 to 1; exact only on average
 */
export function splitHeldOut(store: TokenStore, share: number): { train: DocumentSubset; heldOut: DocumentSubset } {
  const bound = share * 0x1_0000_0000;
  const train: number[] = [];
  const heldOut: number[] = [];
  for (let document = 0; document < store.count; document++) {
    (store.contentHash(document) < bound ? heldOut : train).push(document);
  }
  return {
    train: new DocumentSubset(store, Uint32Array.from(train)),
    heldOut: new DocumentSubset(store, Uint32Array.from(heldOut)),
  };
}
