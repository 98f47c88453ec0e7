import { type CostModel, runShape } from "./cost-model.ts";

/** Runs sequences of these lengths once and tells how long it took. */
export type TimedRun = (lengths: readonly number[]) => Promise<number>;

export interface CalibrationOptions {
  /** Longest sequence the model takes. */
  readonly maxLength: number;
  /** Largest token count to try. */
  readonly maxTokens: number;
  /** Stop after about this long. */
  readonly budgetMs: number;
  readonly cost: CostModel;
}

/** Share of the best token rate that is good enough. */
const KNEE = 0.95;
/** Lengths of the sequences that token counts are made of: what short requests look like. */
const TYPICAL_LENGTH = 32;
const SMALLEST = 8;
/** Below this a single timing is mostly noise. */
const RELIABLE_MS = 25;

/**
 * Warms a session up over several shapes and finds the smallest batch that uses the device well: token counts double
 * until the rate no longer grows, the time is spent or the limit is reached.
 *
 * @returns the token budget: the smallest token count tried that reaches 95 % of the best rate
 */
export async function calibrate(run: TimedRun, options: CalibrationOptions): Promise<number> {
  const { maxLength, maxTokens, budgetMs, cost } = options;
  const deadline = performance.now() + budgetMs;
  const rates: { tokens: number; rate: number }[] = [];
  await run([Math.min(SMALLEST, maxLength)]); // the first run allocates: its time says nothing
  for (let tokens = SMALLEST; tokens <= maxTokens; tokens *= 2) {
    const lengths = lengthsFor(tokens, Math.min(TYPICAL_LENGTH, maxLength));
    let ms = await run(lengths);
    for (let again = 0; again < 2 && ms < RELIABLE_MS; again++) ms = Math.min(ms, await run(lengths));
    cost.observe(runShape(lengths), ms);
    rates.push({ tokens, rate: tokens / ms });
    const best = Math.max(...rates.map(({ rate }) => rate));
    const settled =
      rates.length > 3 && rates.slice(-2).every(({ rate }) => rate < best / KNEE) && rates.at(-1)!.rate < best;
    if (settled || performance.now() + 2.5 * ms > deadline) break;
  }
  // One long sequence teaches what attention costs, if there is time for it.
  const long = Math.min(256, maxLength);
  if (performance.now() + cost.predict(runShape([long])) < deadline) cost.observe(runShape([long]), await run([long]));
  const best = Math.max(...rates.map(({ rate }) => rate));
  return rates.find(({ rate }) => rate >= KNEE * best)!.tokens;
}

function lengthsFor(tokens: number, length: number): number[] {
  const whole = Array.from({ length: Math.floor(tokens / length) }, () => length);
  return tokens % length === 0 ? whole : [...whole, tokens % length];
}
