import { AlbertError } from "../../errors.ts";
import { deriveSeed, permutation } from "../../model/random.ts";
import { type Chunk, cutDocument, type PairKind } from "../corpus/segments.ts";
import { buildInstance, type Documents, type InstanceOptions, type PretrainingInstance } from "./instance.ts";
import { checkInstanceOptions } from "./instance-options.ts";
import { SeededRng } from "./rng.ts";

// Makes pretraining instances of a token store on demand, each a pure function of epoch and position.

export interface InstanceSourceOptions extends InstanceOptions {
  /** Decides every random choice, together with epoch and position. */
  readonly seed: number;
}

/**
 * Pretraining instances of a text, made when they are asked for. Instance `position` of epoch `epoch` is a pure function of
 * (documents, options, epoch, position): chunks, sentence order and masks are drawn anew in every epoch, and a run that
 * resumes asks for the next position, without replaying the ones before.
 *
 *     const store = new TokenStore(directory);
 *     const { train } = splitHeldOut(store, 0.01);
 *     const source = new InstanceSource(train, { ...DEFAULT_INSTANCE_OPTIONS, ...store.manifest.tokenizer, seed: 1 });
 *     const record = trainingRecord(source.instance(epoch, position)); // ready for `collate`
 *
 * Asking for the first instance of an epoch plans that epoch: one pass over the sentence lengths, about 25 bytes of memory
 * per instance, for the epoch asked for last. After that an instance costs two small reads.
 */
export class InstanceSource {
  /**
   * Instances of every epoch. Documents are cut anew in each, so that an epoch's plan may hold a few more or fewer; a few random
   * ones are then left out, or come twice.
   */
  readonly length: number;
  readonly #documents: Documents;
  readonly #options: InstanceSourceOptions;
  #plan: EpochPlan;

  /** @throws AlbertError precondition when the documents give no instance, invalid-input for impossible options */
  constructor(documents: Documents, options: InstanceSourceOptions) {
    checkInstanceOptions(options);
    this.#documents = documents;
    this.#options = options;
    this.#plan = new EpochPlan(documents, options, 0);
    this.length = this.#plan.chunks;
    if (this.length === 0) {
      throw new AlbertError("precondition", "the text gives no instance: it has no document of two sentences", {
        reason: "TEXT_WITHOUT_INSTANCES",
      });
    }
  }

  /** @param position 0 .. `length` - 1 */
  instance(epoch: number, position: number): PretrainingInstance {
    if (!(Number.isInteger(position) && position >= 0 && position < this.length)) {
      throw new RangeError(`position must be 0-${this.length - 1}, got ${position}`);
    }
    const plan = this.#planOf(epoch);
    const index = plan.order[position % plan.chunks]!;
    const rng = new SeededRng(deriveSeed(this.#options.seed, "pretraining-instance", epoch, index));
    return buildInstance(this.#documents, plan.documentOf(index), plan.chunkOf(index), this.#options, rng);
  }

  /** How the second segments of an epoch come about: how many instances of each kind it plans. */
  composition(epoch: number): Readonly<Record<PairKind, number>> {
    return this.#planOf(epoch).composition();
  }

  #planOf(epoch: number): EpochPlan {
    if (this.#plan.epoch !== epoch) this.#plan = new EpochPlan(this.#documents, this.#options, epoch);
    return this.#plan;
  }
}

const KINDS: readonly PairKind[] = ["in-order", "swapped", "random-next", "split", "split-swapped"];

/** Fields of a planned chunk, in words. */
const DOCUMENT = 0;
const FIRST = 1;
const SENTENCES = 2;
const FIRST_SEGMENT = 3;
const TARGET_TOKENS_AND_KIND = 4;
const FIELDS = 5;

/** Where the chunks of one epoch lie, and in which order they come. */
class EpochPlan {
  readonly epoch: number;
  readonly chunks: number;
  readonly order: Uint32Array;
  readonly #fields: Uint32Array;

  constructor(documents: Documents, options: InstanceSourceOptions, epoch: number) {
    this.epoch = epoch;
    let fields = new Uint32Array(1024 * FIELDS);
    let used = 0;
    for (let document = 0; document < documents.count; document++) {
      const rng = new SeededRng(deriveSeed(options.seed, "pretraining-chunks", epoch, document));
      for (const chunk of cutDocument(documents.lengths(document), options, rng)) {
        if (used === fields.length) {
          const larger = new Uint32Array(fields.length * 2);
          larger.set(fields);
          fields = larger;
        }
        fields[used + DOCUMENT] = document;
        fields[used + FIRST] = chunk.first;
        fields[used + SENTENCES] = chunk.sentences;
        fields[used + FIRST_SEGMENT] = chunk.firstSegment;
        fields[used + TARGET_TOKENS_AND_KIND] = chunk.targetTokens * KINDS.length + KINDS.indexOf(chunk.kind);
        used += FIELDS;
      }
    }
    this.#fields = fields.subarray(0, used);
    this.chunks = used / FIELDS;
    this.order = permutation(this.chunks, deriveSeed(options.seed, "pretraining-order", epoch));
  }

  documentOf(index: number): number {
    return this.#fields[index * FIELDS + DOCUMENT]!;
  }

  chunkOf(index: number): Chunk {
    const at = index * FIELDS;
    const packed = this.#fields[at + TARGET_TOKENS_AND_KIND]!;
    return {
      first: this.#fields[at + FIRST]!,
      sentences: this.#fields[at + SENTENCES]!,
      firstSegment: this.#fields[at + FIRST_SEGMENT]!,
      kind: KINDS[packed % KINDS.length]!,
      targetTokens: Math.floor(packed / KINDS.length),
    };
  }

  composition(): Record<PairKind, number> {
    const counts: Record<PairKind, number> = {
      "in-order": 0,
      swapped: 0,
      "random-next": 0,
      split: 0,
      "split-swapped": 0,
    };
    for (let index = 0; index < this.chunks; index++) counts[this.chunkOf(index).kind]++;
    return counts;
  }
}
