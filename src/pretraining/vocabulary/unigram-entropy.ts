import { tokenId } from "../corpus/packed-token.ts";
import type { Documents } from "../instances/instance.ts";

// The entropy of a text's token frequencies: the loss below which a model has learnt something.

/** Sentences that are read at once. */
const BLOCK = 4096;

/** How well a text can be guessed token by token from frequencies alone. */
export interface UnigramEntropy {
  readonly tokens: number;
  /** Different tokens that occur. */
  readonly types: number;
  /** Nats per token: the masked-LM loss of a model that knows the text's own frequencies and nothing else. */
  readonly nats: number;
}

/** Entropy of the token frequencies of a text. A masked language model has learned something where its loss is below. */
export function unigramEntropy(documents: Documents, vocabSize: number): UnigramEntropy {
  const counts = new Float64Array(vocabSize);
  let tokens = 0;
  for (let document = 0; document < documents.count; document++) {
    const sentences = documents.sentenceCount(document);
    for (let first = 0; first < sentences; first += BLOCK) {
      const block = documents.read(document, first, Math.min(BLOCK, sentences - first));
      for (const token of block) counts[tokenId(token)]!++;
      tokens += block.length;
    }
  }
  let nats = 0;
  let types = 0;
  for (const count of counts) {
    if (count === 0) continue;
    types++;
    nats -= (count / tokens) * Math.log(count / tokens);
  }
  return { tokens, types, nats };
}
