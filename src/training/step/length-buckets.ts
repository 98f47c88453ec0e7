// Chooses the few fixed shapes of batches that waste the least padding.

/** One fixed shape that training graphs are built for: `rows` sequences of `sequenceLength` tokens. */
export interface Bucket {
  readonly sequenceLength: number;
  /** Examples of one micro-batch in this bucket; a smaller last micro-batch is filled with rows of weight 0. */
  readonly rows: number;
}

export interface BucketOptions {
  /** Tokens of each training example (of its longest sequence, where it has several). */
  readonly lengths: ArrayLike<number>;
  /** Examples of one optimizer step. */
  readonly batchSize: number;
  /** Most tokens, padding included, that one micro-batch may hold; it bounds memory. At least one example always fits. */
  readonly tokenBudget: number;
  /** Sequences of one example: the choices of a multiple-choice question, else 1. */
  readonly sequencesPerExample?: number;
  /** No shape is longer than this (`max_seq_length`), even where rounding would make it so. */
  readonly maxSequenceLength: number;
  /** Most different shapes, each of which costs one compiled graph. 8 if absent. */
  readonly maxBuckets?: number;
}

/** Sequence lengths are multiples of this, so that near lengths share a shape. */
const GRANULARITY = 8;

/**
 * The shapes that waste the least padding on these lengths: an exact minimum over all choices of boundaries (dynamic
 * programming over the histogram of lengths). Ascending by length; the last bucket holds the longest example.
 */
export function chooseBuckets(options: BucketOptions): Bucket[] {
  const { lengths, batchSize, tokenBudget, sequencesPerExample = 1, maxBuckets = 8 } = options;
  const histogram = histogramOf(lengths);
  return boundaries(histogram, maxBuckets).map((slot) => {
    const sequenceLength = Math.min((slot + 1) * GRANULARITY, options.maxSequenceLength);
    const most = Math.max(1, Math.min(batchSize, Math.floor(tokenBudget / (sequenceLength * sequencesPerExample))));
    const microBatches = Math.ceil(batchSize / most);
    return { sequenceLength, rows: Math.ceil(batchSize / microBatches) };
  });
}

/** Index of the smallest bucket that holds a sequence of this length. */
export function bucketOf(buckets: readonly Bucket[], length: number): number {
  const index = buckets.findIndex((bucket) => bucket.sequenceLength >= length);
  if (index < 0) throw new Error(`no bucket holds ${length} tokens: this is a bug`);
  return index;
}

/** Examples per slot; slot k holds lengths in (k * GRANULARITY, (k + 1) * GRANULARITY]. */
function histogramOf(lengths: ArrayLike<number>): number[] {
  let longest = 1;
  for (let i = 0; i < lengths.length; i++) longest = Math.max(longest, lengths[i]!);
  const histogram = new Array<number>(Math.ceil(longest / GRANULARITY)).fill(0);
  for (let i = 0; i < lengths.length; i++) {
    const slot = Math.max(Math.ceil(lengths[i]! / GRANULARITY) - 1, 0);
    histogram[slot] = histogram[slot]! + 1;
  }
  return histogram;
}

/** Slots that end a bucket: the choice of at most `most` of them under which all examples are padded least. */
function boundaries(histogram: readonly number[], most: number): number[] {
  const slots = histogram.length;
  const before = [0]; // before[k] = examples in slots < k
  for (const count of histogram) before.push(before.at(-1)! + count);
  // cost[k][e]: padded size of all examples in slots 0..e-1 when they are cut into k buckets and the last ends at e-1.
  let cost = new Array<number>(slots + 1).fill(Number.POSITIVE_INFINITY);
  cost[0] = 0;
  const cuts: number[][] = [];
  let best = { buckets: 0, cost: Number.POSITIVE_INFINITY };
  for (let k = 1; k <= Math.min(most, slots); k++) {
    const next = new Array<number>(slots + 1).fill(Number.POSITIVE_INFINITY);
    const cut = new Array<number>(slots + 1).fill(0);
    for (let end = 1; end <= slots; end++) {
      for (let start = 0; start < end; start++) {
        const candidate = cost[start]! + (before[end]! - before[start]!) * end;
        if (candidate < next[end]!) {
          next[end] = candidate;
          cut[end] = start;
        }
      }
    }
    cuts.push(cut);
    cost = next;
    if (cost[slots]! < best.cost) best = { buckets: k, cost: cost[slots]! };
  }
  const ends: number[] = [];
  for (let k = best.buckets, end = slots; k > 0; k--) {
    ends.unshift(end - 1);
    end = cuts[k - 1]![end]!;
  }
  return ends;
}
