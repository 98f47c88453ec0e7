import { type CostModel, runShape } from "./cost-model.ts";

// Measures how many tokens a batch needs to use the device well.

/** Runs sequences of these lengths once and tells how long it took. */
export type TimedRun = (lengths: readonly number[]) => Promise<number>;

export interface TokenBudgetOptions {
  /** Longest sequence the model takes. */
  readonly maxLength: number;
  /** Largest token count to try. */
  readonly maxTokens: number;
  /** Stop after about this long. */
  readonly budgetMs: number;
  readonly cost: CostModel;
}

/** Share of the best token rate that is good enough. */
const SATURATED = 0.95;
/** Lengths of the sequences that token counts are made of: what short requests look like. */
const TYPICAL_LENGTH = 32;
const SMALLEST = 8;
/** Below this a single timing is mostly noise. */
const RELIABLE_MS = 50;
/** Batches below this many tokens spend more on being handed around than they gain in latency. */
const LEAST_BUDGET = 64;
/** Token counts that are tried however long they take: fewer say nothing about where the rate goes. */
const LEAST_STEPS = 3;
/** Token budget of a device that was not measured. */
const UNMEASURED_BUDGET = 256;
const LONG_LENGTH = 256;

/**
 * Warms a session up over several shapes and finds the smallest batch that uses the device well. Token counts double
 * until the rate no longer grows, the time is spent or the limit is reached; if the time ends first, what was seen of
 * fixed and per-token cost tells where the rate would have settled.
 *
 * @returns the token budget: the smallest token count that reaches 95 % of the best rate
 */
export async function findTokenBudget(run: TimedRun, options: TokenBudgetOptions): Promise<number> {
  const { maxLength, maxTokens, budgetMs, cost } = options;
  const deadline = performance.now() + budgetMs;
  const rates: { tokens: number; rate: number }[] = [];
  const measure = async (lengths: readonly number[]) => {
    let ms = await run(lengths);
    for (let again = 0; again < 2 && ms < RELIABLE_MS; again++) ms = Math.min(ms, await run(lengths));
    cost.observe(runShape(lengths), ms);
    return ms;
  };
  await run(lengthsFor(SMALLEST, maxLength)); // the first run allocates: its time says nothing
  if (budgetMs <= 0) {
    await measure(lengthsFor(SMALLEST, maxLength));
    return UNMEASURED_BUDGET;
  }
  for (let tokens = SMALLEST; tokens <= maxTokens; tokens *= 2) {
    const ms = await measure(lengthsFor(tokens, Math.min(TYPICAL_LENGTH, maxLength)));
    rates.push({ tokens, rate: tokens / ms });
    const settled =
      rates.length > LEAST_STEPS && rates.slice(-3).every(({ rate }) => rate >= SATURATED * bestOf(rates));
    if (settled || (rates.length >= LEAST_STEPS && performance.now() + 2 * ms > deadline)) break;
  }
  const long = runShape([Math.min(LONG_LENGTH, maxLength)]);
  if (performance.now() + cost.predict(long) < deadline) await measure([long.tokens]); // teaches what attention costs
  const saturation = rates.find(({ rate }) => rate >= SATURATED * bestOf(rates))!.tokens;
  const last = rates.at(-1)!.tokens;
  const seen = saturation < last || last * 2 > maxTokens;
  return Math.max(LEAST_BUDGET, saturation, seen ? 0 : Math.min(UNMEASURED_BUDGET, saturationOf(cost)));
}

function bestOf(rates: readonly { readonly rate: number }[]): number {
  return Math.max(...rates.map(({ rate }) => rate));
}

/** Tokens at which the fixed cost of a run is down to 5 % of the whole, as the cost model has it. */
function saturationOf(cost: CostModel): number {
  const fixed = cost.predict({ tokens: 0, scores: 0 });
  const perToken = cost.predict({ tokens: 1, scores: 0 }) - fixed;
  return perToken > 0 ? Math.ceil((fixed / perToken) * (SATURATED / (1 - SATURATED))) : UNMEASURED_BUDGET;
}

function lengthsFor(tokens: number, length: number): number[] {
  const whole = Array.from({ length: Math.floor(tokens / length) }, () => length);
  return tokens % length === 0 ? whole : [...whole, tokens % length];
}
