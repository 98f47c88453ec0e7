import type { PackedTokens } from "../corpus/packed-token.ts";
import { cutDocument } from "../corpus/segments.ts";
import { buildInstance, type Documents, type InstanceOptions, type PretrainingInstance } from "./instance.ts";
import type { Rng } from "./rng.ts";

// The official script's own way to make instances, with all documents in memory.

/** Documents in memory: one array of sentences each. */
export class DocumentsInMemory implements Documents {
  readonly #documents: readonly (readonly PackedTokens[])[];

  constructor(documents: readonly (readonly PackedTokens[])[]) {
    this.#documents = documents;
  }

  get count(): number {
    return this.#documents.length;
  }

  sentenceCount(document: number): number {
    return this.#documents[document]!.length;
  }

  lengths(document: number): number[] {
    return this.#documents[document]!.map((sentence) => sentence.length);
  }

  read(document: number, first: number, sentences: number): PackedTokens {
    return concatenate(this.#documents[document]!.slice(first, first + sentences));
  }

  readAtLeast(document: number, first: number, tokens: number): PackedTokens {
    const sentences = this.#documents[document]!;
    let last = first;
    for (let sum = 0; last < sentences.length; ) {
      sum += sentences[last++]!.length;
      if (sum >= tokens) break;
    }
    return concatenate(sentences.slice(first, last));
  }
}

/**
 * The official `create_training_instances`: all documents shuffled, `dupeFactor` passes over them, all instances shuffled.
 * Everything is held in memory, as there; {@link InstanceSource} is the way for large texts.
 *
 * With {@link PythonRng} and `officialQuirks` the result is the official script's own, instance for instance.
 */
export function createOfficialInstances(
  documents: readonly (readonly PackedTokens[])[],
  options: InstanceOptions & { readonly dupeFactor: number },
  rng: Rng,
): PretrainingInstance[] {
  const shuffled = new DocumentsInMemory(rng.order(documents.length).map((i) => documents[i]!));
  const instances: PretrainingInstance[] = [];
  for (let pass = 0; pass < options.dupeFactor; pass++) {
    for (let document = 0; document < shuffled.count; document++) {
      for (const chunk of cutDocument(shuffled.lengths(document), options, rng)) {
        instances.push(buildInstance(shuffled, document, chunk, options, rng));
      }
    }
  }
  return rng.order(instances.length).map((i) => instances[i]!);
}

function concatenate(sentences: readonly PackedTokens[]): PackedTokens {
  const whole = new Uint32Array(sentences.reduce((sum, sentence) => sum + sentence.length, 0));
  let at = 0;
  for (const sentence of sentences) {
    whole.set(sentence, at);
    at += sentence.length;
  }
  return whole;
}
