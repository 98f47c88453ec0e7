import { createHash } from "node:crypto";
import { join } from "node:path";
import { encodeRecord, readRecordFile } from "../../model/formats/records.ts";
import { deriveSeed } from "../../model/random.ts";
import { replaceFile } from "../../platform/atomic-files.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { StepSource } from "../step/step-data.ts";
import type { ExecutorOptions, OpenExecutor, StepSpec, TrainState } from "../step/training-step.ts";
import type { FittingRate } from "./fitting-rate.ts";

// Tests which learning rate a model bears, on a copy of its starting weights.

/**
 * A learning-rate range test (Smith, "Cyclical learning rates", 2017): a few steps on a copy of the starting weights at rates that
 * grow from far below to far above a guess. Where the loss turns upward is the highest rate that the model bears.
 */
export interface RateTest {
  readonly openExecutor: OpenExecutor;
  readonly executor: ExecutorOptions;
  readonly stepSpec: StepSpec;
  readonly initial: TrainState;
  readonly source: StepSource;
  readonly seed: number;
  /** Directory of the run: the answer is kept there, so that a resumed run has the same. */
  readonly work: string;
  /** Digests of what the answer depends on, besides the guess. */
  readonly identity: Readonly<Record<string, string>>;
}

const STEPS = 48;
/** Shorter runs are not tested: the test would be a large part of them. */
export const SHORTEST_TESTED_RUN = 4 * STEPS;
/** The rates tried reach from guess / RANGE to guess * RANGE. */
const RANGE = 16;
/** Weight of the past in the smoothed loss. */
const SMOOTHING = 0.8;
/** The test ends where the smoothed loss is this many times its lowest. */
const DIVERGED = 2;
/** A good rate for a whole run is about this part of the highest that the model bears. */
const MARGIN = 4;
/** A guess this many times below the highest rate learns too slowly; less than RANGE, so that the test can find it. */
const FAR_BELOW = 12;

/** One step of a test. */
interface Tried {
  readonly rate: number;
  readonly loss: number;
}

/** Keeps a guess that the model bears, and replaces one that is far too high or far too low. */
export async function testedRate(guess: FittingRate, test: RateTest): Promise<FittingRate> {
  const tried = await remembered(guess, test, () => tryRates(guess.rate, test));
  return judgeRate(guess, tried);
}

/** @param tried  by ascending rate */
export function judgeRate(guess: FittingRate, tried: readonly Tried[]): FittingRate {
  const highest = highestRate(tried);
  if (highest === undefined) return guess;
  const between = `range test of ${tried.length} steps: the loss falls up to a rate of ${highest.toPrecision(2)}`;
  const tooHigh = guess.rate > highest / 1.5;
  const tooLow = guess.rate < highest / FAR_BELOW;
  if (!tooHigh && !tooLow) return { ...guess, why: `${guess.why}; ${between}`, source: "test" };
  const rate = Number((highest / MARGIN).toPrecision(2));
  return { rate, why: `${between}, not ${guess.rate} (${guess.why})`, source: "test" };
}

/** The rate at which the smoothed loss is lowest; undefined where the losses say nothing. */
export function highestRate(tried: readonly Tried[]): number | undefined {
  let sum = 0;
  let weight = 0;
  let lowest: { readonly rate: number; readonly loss: number } | undefined;
  let first: number | undefined;
  for (const { rate, loss } of tried) {
    if (!Number.isFinite(loss)) break;
    sum = SMOOTHING * sum + (1 - SMOOTHING) * loss;
    weight = SMOOTHING * weight + (1 - SMOOTHING);
    const smoothed = sum / weight;
    first ??= smoothed;
    if (lowest === undefined || smoothed < lowest.loss) lowest = { rate, loss: smoothed };
    else if (smoothed > DIVERGED * lowest.loss) break;
  }
  // A loss that never fell says nothing of rates.
  return lowest === undefined || first === undefined || lowest.loss > 0.98 * first ? undefined : lowest.rate;
}

async function tryRates(guess: number, { openExecutor, executor: options, ...test }: RateTest): Promise<Tried[]> {
  const executor = await openExecutor(test.stepSpec, test.initial, options);
  const tried: Tried[] = [];
  try {
    for (let step = 0; step < STEPS; step++) {
      const rate = (guess / RANGE) * RANGE ** ((2 * step) / (STEPS - 1));
      const { microBatches } = await test.source.step(step, 0);
      const { loss } = await executor.step(microBatches, {
        learningRate: rate,
        seed: deriveSeed(test.seed, "range-test", step),
      });
      tried.push({ rate, loss });
      if (!Number.isFinite(loss)) break;
    }
  } finally {
    await executor.close();
  }
  return tried;
}

/** What an earlier attempt may have left. */
interface Kept {
  readonly digest?: unknown;
  readonly tried?: unknown;
}

/** Reads the answer of an earlier attempt of this run, or finds it and keeps it. */
async function remembered(
  { rate }: FittingRate,
  { work, identity }: RateTest,
  find: () => Promise<Tried[]>,
): Promise<readonly Tried[]> {
  const digest = createHash("sha256")
    .update(JSON.stringify([rate, identity]))
    .digest("hex");
  const path = join(work, "range-test.json");
  const kept = await readRecordFile<Kept>(path);
  // Written below, by this digest.
  if (kept?.digest === digest && Array.isArray(kept.tried)) return kept.tried as Tried[];
  const tried = await find();
  await makeDirectory(work);
  await replaceFile(path, encodeRecord({ digest, tried }));
  return tried;
}
