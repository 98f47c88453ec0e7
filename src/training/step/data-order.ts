import { createHash } from "node:crypto";
import { deriveSeed, permutation } from "../../model/random.ts";
import { type Bucket, bucketOf, chooseBuckets } from "./length-buckets.ts";

// Which examples each step sees, as a pure function of seed and step. It reads lengths, never examples.

/**
 * How examples meet in a step.
 *
 * - `length`: a step holds examples of like length, so nearly nothing is padding. Which examples, and the order of the
 *   steps, are drawn anew in every epoch.
 * - `none`: a step holds whatever the shuffle brings, as the official scripts do; its micro-batches are cut by length.
 */
export type Grouping = "length" | "none";

export interface DataOrderOptions {
  readonly seed: number;
  /** Tokens of each training example (of its longest sequence, where it has several). */
  readonly lengths: ArrayLike<number>;
  /** Examples of one optimizer step (`train_batch_size`). */
  readonly batchSize: number;
  /** Most tokens, padding included, of one micro-batch. */
  readonly tokenBudget: number;
  readonly maxSequenceLength: number;
  readonly sequencesPerExample?: number;
  readonly grouping?: Grouping;
  readonly maxBuckets?: number;
  /** Where examples come from several files: how many of each, in order, and its share of what is drawn. */
  readonly mix?: readonly MixedPart[];
}

/** Examples of one file among several. */
export interface MixedPart {
  readonly examples: number;
  /** Above 0; shares of the sum of all weights. */
  readonly weight: number;
}

/** The examples of one micro-batch and the fixed shape they are laid into; at most `bucket.rows` of them. */
export interface MicroBatchPlan {
  readonly bucket: Bucket;
  readonly examples: readonly number[];
}

/** Padding of one epoch: of all tokens computed, how many carry nothing. */
export interface PaddingReport {
  readonly tokens: number;
  readonly computedTokens: number;
  readonly share: number;
}

/**
 * Which examples each optimizer step sees: a pure function of (seed, step). Nothing but the step number has to be
 * stored to continue, and continuing costs no replay. Every epoch uses every example exactly once; the last step of an
 * epoch may hold fewer than `batchSize`.
 *
 * Of several files with weights an epoch draws as many examples as there are, from each file its share. A file's examples come in
 * the order of one shuffle after the other, from epoch to epoch, so that none comes again before all others of its file have.
 */
export class DataOrder {
  readonly buckets: readonly Bucket[];
  readonly stepsPerEpoch: number;
  readonly examples: number;
  /** Changes with anything that would change which examples a step sees. */
  readonly digest: string;
  readonly #options: DataOrderOptions;
  readonly #bucketOfExample: Uint8Array;
  /** Examples that an epoch draws from each file; undefined where all come from one. */
  readonly #drawn: readonly number[] | undefined;
  /** The plan of the epoch asked for last; recomputed at will. */
  #epoch: { readonly number: number; readonly steps: readonly (readonly number[])[] } | undefined;

  constructor(options: DataOrderOptions) {
    this.#options = options;
    this.examples = options.lengths.length;
    this.buckets = chooseBuckets(options);
    this.#bucketOfExample = Uint8Array.from(options.lengths, (length) => bucketOf(this.buckets, length));
    this.stepsPerEpoch = Math.ceil(this.examples / options.batchSize);
    this.#drawn = options.mix && drawnOf(options.mix, this.examples);
    this.digest = createHash("sha256")
      .update(
        JSON.stringify([
          ...[options.seed, options.batchSize, options.grouping ?? "length", this.examples, this.buckets],
          ...(options.mix === undefined ? [] : [options.mix]),
        ]),
      )
      .update(this.#bucketOfExample)
      .digest("hex");
  }

  /** Epoch that a step belongs to, from 0. */
  epochOf(step: number): number {
    return Math.floor(step / this.stepsPerEpoch);
  }

  /** The micro-batches of one optimizer step, longest first, so that a shape that does not fit memory fails at once. */
  microBatches(step: number): MicroBatchPlan[] {
    const examples = this.#planOf(this.epochOf(step))[step % this.stepsPerEpoch]!;
    const { lengths } = this.#options;
    const longestFirst = [...examples].sort((a, b) => lengths[b]! - lengths[a]! || a - b);
    const plans: MicroBatchPlan[] = [];
    for (let at = 0; at < longestFirst.length; ) {
      const bucket = this.buckets[this.#bucketOfExample[longestFirst[at]!]!]!;
      plans.push({ bucket, examples: longestFirst.slice(at, at + bucket.rows) });
      at += bucket.rows;
    }
    return plans;
  }

  /** Counts the padding of a whole epoch. */
  padding(epoch = 0): PaddingReport {
    const { lengths, sequencesPerExample = 1 } = this.#options;
    let tokens = 0;
    let computedTokens = 0;
    for (let step = 0; step < this.stepsPerEpoch; step++) {
      for (const { bucket, examples } of this.microBatches(epoch * this.stepsPerEpoch + step)) {
        for (const example of examples) tokens += lengths[example]! * sequencesPerExample;
        computedTokens += bucket.rows * bucket.sequenceLength * sequencesPerExample;
      }
    }
    return { tokens, computedTokens, share: computedTokens === 0 ? 0 : 1 - tokens / computedTokens };
  }

  #planOf(epoch: number): readonly (readonly number[])[] {
    if (this.#epoch?.number !== epoch) {
      const { grouping = "length" } = this.#options;
      this.#epoch = { number: epoch, steps: grouping === "length" ? this.#byLength(epoch) : this.#asShuffled(epoch) };
    }
    return this.#epoch.steps;
  }

  #asShuffled(epoch: number): number[][] {
    const { seed, batchSize } = this.#options;
    const all = this.#examplesOf(epoch);
    const order = permutation(this.examples, deriveSeed(seed, "order", epoch));
    return chunks(
      Array.from(order, (index) => all[index]!),
      batchSize,
    );
  }

  /** The examples of an epoch, in no order that counts. */
  #examplesOf(epoch: number): readonly number[] {
    const drawn = this.#drawn;
    if (drawn === undefined) return Array.from({ length: this.examples }, (_, example) => example);
    const { mix = [], seed } = this.#options;
    const all: number[] = [];
    let first = 0;
    for (const [part, { examples }] of mix.entries()) {
      for (let at = epoch * drawn[part]!; at < (epoch + 1) * drawn[part]!; ) {
        const pass = Math.floor(at / examples);
        const order = permutation(examples, deriveSeed(seed, "mix", part, pass));
        const end = Math.min((epoch + 1) * drawn[part]!, (pass + 1) * examples);
        for (; at < end; at++) all.push(first + order[at - pass * examples]!);
      }
      first += examples;
    }
    return all;
  }

  /**
   * Shuffles within each bucket and cuts full steps; what is left over moves up to the next longer bucket, where it fits
   * too. Then the full steps are shuffled among each other; the one partial step ends the epoch.
   */
  #byLength(epoch: number): number[][] {
    const { seed, batchSize } = this.#options;
    const members: number[][] = this.buckets.map(() => []);
    for (const example of this.#examplesOf(epoch)) members[this.#bucketOfExample[example]!]!.push(example);
    const full: number[][] = [];
    let leftOver: number[] = [];
    for (const [bucket, own] of members.entries()) {
      const order = permutation(own.length, deriveSeed(seed, "bucket", epoch, bucket));
      const pool = [...leftOver, ...Array.from(order, (index) => own[index]!)];
      const usable = pool.length - (pool.length % batchSize);
      full.push(...chunks(pool.slice(0, usable), batchSize));
      leftOver = pool.slice(usable);
    }
    const steps = Array.from(permutation(full.length, deriveSeed(seed, "steps", epoch)), (index) => full[index]!);
    return leftOver.length > 0 ? [...steps, leftOver] : steps;
  }
}

/** How many of `total` draws each file gets: its share, rounded so that all add up, and one at least. */
function drawnOf(mix: readonly MixedPart[], total: number): number[] {
  const weights = mix.reduce((sum, { weight }) => sum + weight, 0);
  const shares = mix.map(({ weight }) => (total * weight) / weights);
  const drawn = shares.map((share) => Math.max(1, Math.floor(share)));
  const byRest = shares
    .map((share, part) => ({ part, rest: share - drawn[part]! }))
    .sort((a, b) => b.rest - a.rest || a.part - b.part);
  let left = total - drawn.reduce((sum, count) => sum + count, 0);
  for (let i = 0; left > 0; i++, left--) drawn[byRest[i % byRest.length]!.part]!++;
  for (; left < 0; left++) drawn[drawn.indexOf(Math.max(...drawn))]!--;
  return drawn;
}

function chunks(items: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
