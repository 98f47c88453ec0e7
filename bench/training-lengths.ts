import { deriveSeed, permutation, RandomStream } from "../src/model/random.ts";
import { collate } from "../src/training/step/collate.ts";
import { DataOrder } from "../src/training/step/data-order.ts";
import type { Batch, Executor } from "../src/training/step/training-step.ts";
import { BASE, CLASSIFICATION, openClassifier } from "./base-classifier.ts";
import { pytorchSeconds } from "./pytorch.ts";
import { rounded } from "./timing.ts";

const EXAMPLES = 4096;
const BATCH_SIZE = 16;
const LONGEST = 128;
/** Of an epoch's batches in order of size, this many are timed, each from the middle of its share. */
const SAMPLES = 4;
/** Timed rounds over the sampled batches; the best time of each counts. */
const ROUNDS = 2;

/**
 * Seconds per 1,000 examples of real lengths: as the training loop batches them, and in PyTorch on shuffled batches padded to
 * the batch's longest or to a fixed length. One ALBERT-base classifier, 16 examples a batch.
 */
export async function benchTrainingLengths(python: string) {
  const lengths = pairLengths();
  const order = new DataOrder({
    seed: 1,
    lengths,
    batchSize: BATCH_SIZE,
    tokenBudget: 2048,
    maxSequenceLength: LONGEST,
  });
  const executor = await openClassifier("cpu");
  let ours: number;
  try {
    ours = perThousand(await secondsOf(executor, sampledSteps(order, lengths)));
  } finally {
    await executor.close();
  }
  const longest = longestOfBatches(lengths);
  const pytorch = pytorchSeconds(
    python,
    ROUNDS,
    [...spread(longest), LONGEST].map((length) => ({ model: "lean", examples: BATCH_SIZE, length })),
  ) as readonly number[] | undefined; // PyTorch alone has the lean model
  return {
    meanLength: rounded(mean(lengths)),
    meanLongestOfBatch: rounded(mean(longest)),
    paddingShare: rounded(order.padding().share),
    secondsPer1000Examples: rounded(ours),
    ...(pytorch === undefined
      ? { pytorch: `no PyTorch in ${python}` }
      : {
          pytorchSecondsPer1000Examples: {
            paddedToLongest: rounded(perThousand(pytorch.slice(0, -1))),
            paddedTo128: rounded(perThousand(pytorch.slice(-1))),
          },
          timesFasterThanPytorchPaddedToLongest: rounded(perThousand(pytorch.slice(0, -1)) / ours),
          timesFasterThanPytorchPaddedTo128: rounded(perThousand(pytorch.slice(-1)) / ours),
        }),
  };
}

/** Lengths as sentence pairs have them: log-normal, median 36, sigma 0.45, cut to 8..128; about 40 on average. */
function pairLengths(): number[] {
  const random = new RandomStream(deriveSeed("bench", "lengths"));
  return Array.from({ length: EXAMPLES / 2 }, () => random.normalPair())
    .flat()
    .map((normal) => Math.min(Math.max(Math.round(36 * Math.exp(0.45 * normal)), 8), LONGEST));
}

/** Of one epoch's steps, the middle ones by size. */
function sampledSteps(order: DataOrder, lengths: readonly number[]): Batch[][] {
  const steps = Array.from({ length: order.stepsPerEpoch }, (_, step) => order.microBatches(step));
  const size = (step: (typeof steps)[number]) =>
    step.reduce((sum, { bucket }) => sum + bucket.rows * bucket.sequenceLength, 0);
  return spread(steps.sort((a, b) => size(a) - size(b))).map((microBatches) =>
    microBatches.map(({ bucket, examples }) =>
      collate(
        CLASSIFICATION,
        examples.map((example) => recordOf(example, lengths[example]!)),
        bucket,
      ),
    ),
  );
}

function recordOf(example: number, length: number) {
  return {
    input_ids: Int32Array.from({ length }, (_, place) => (example * 7919 + place * 13) % BASE.vocabSize),
    segment_ids: Int32Array.from({ length }, (_, place) => (2 * place < length ? 0 : 1)),
    label_ids: Int32Array.of(example % 2),
  };
}

/** The longest example of each batch that a plain shuffle makes. */
function longestOfBatches(lengths: readonly number[]): number[] {
  const shuffled = Array.from(permutation(lengths.length, deriveSeed("bench", "shuffle")), (at) => lengths[at]!);
  const longest: number[] = [];
  for (let at = 0; at < shuffled.length; at += BATCH_SIZE) {
    longest.push(Math.max(...shuffled.slice(at, at + BATCH_SIZE)));
  }
  return longest.sort((a, b) => a - b);
}

/** Best seconds of each step, once every graph is made. */
async function secondsOf(executor: Executor, steps: readonly (readonly Batch[])[]): Promise<number[]> {
  const best = steps.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, microBatches] of steps.entries()) {
      const startedAt = performance.now();
      await executor.step(microBatches, { learningRate: 1e-5, seed: [0, index] });
      if (round > 0) best[index] = Math.min(best[index]!, (performance.now() - startedAt) / 1000);
    }
  }
  return best;
}

/** `SAMPLES` items of a sorted list, each from the middle of its share. */
function spread<T>(sorted: readonly T[]): T[] {
  return Array.from({ length: SAMPLES }, (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / SAMPLES)]!);
}

function perThousand(secondsPerStep: readonly number[]): number {
  return (mean(secondsPerStep) / BATCH_SIZE) * 1000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
