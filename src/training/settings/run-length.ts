import type { Recipe, WarmupLength } from "./recipes.ts";

// How many steps a run and its warmup take where nothing was given.

/** How much a run has to learn from. */
export interface DataSize {
  /** Examples that one pass sees; windows, where long contexts are cut into several. */
  readonly examples: number;
  /** Questions, as the official scripts count them; `examples` where left out. */
  readonly questions?: number;
}

/** A value and why it applies. */
export type Reasoned<T> = readonly [value: T, why: string];

/** Steps below which a small set is passed over more often, and the most passes that takes. */
const FEW_STEPS = 400;
const MOST_PASSES = 30;
/** Passes of a run from random weights, which have all to learn. */
const SCRATCH = { passes: 6, fewSteps: 1500, mostPasses: 40 };

/** Steps of one pass over all examples; the last step of a pass may hold fewer than the others. */
export function stepsPerPass(examples: number, batchSize: number): number {
  return Math.max(1, Math.ceil(examples / batchSize));
}

/** Steps after which every example has been seen this many times; a fraction of a pass is a fraction of its steps. */
function stepsOfPasses(passes: number, examples: number, batchSize: number): number {
  return Math.max(1, Math.round(passes * stepsPerPass(examples, batchSize)));
}

/**
 * Steps of a run whose length was not given. Official recipes keep their steps; those of SQuAD, which are given in passes, keep
 * Google's `int(questions / batch * passes)` for the data they were published for, whose windows it does not see quite as often.
 * All other data is passed over a whole number of times, more often where that would be few steps.
 */
export function recipeSteps(recipe: Recipe, size: DataSize, batchSize: number, fromScratch: boolean): Reasoned<number> {
  const { length, task, source } = recipe;
  const { examples, questions = examples } = size;
  const published = `${task} recipe (${source})`;
  const own = recipe.examples === undefined;
  if (fromScratch) {
    const { passes, fewSteps, mostPasses } = SCRATCH;
    return passed(own ? filled(passes, fewSteps, mostPasses, examples, batchSize) : passes, examples, batchSize);
  }
  if ("steps" in length) return [length.steps, published];
  if (own) return passed(filled(length.epochs, FEW_STEPS, MOST_PASSES, examples, batchSize), examples, batchSize);
  if (questions === recipe.examples) {
    return [Math.trunc((questions / batchSize) * length.epochs), `${published}: int(questions / batch * passes)`];
  }
  return passed(length.epochs, examples, batchSize);
}

export function passed(passes: number, examples: number, batchSize: number): Reasoned<number> {
  const often = passes === 1 ? "1 pass" : `${passes} passes`;
  return [stepsOfPasses(passes, examples, batchSize), `${often} over ${examples} examples`];
}

function filled(passes: number, fewSteps: number, most: number, examples: number, batchSize: number): number {
  return Math.min(most, Math.max(passes, Math.ceil(fewSteps / stepsPerPass(examples, batchSize))));
}

/** Steps of a warmup in a run of this length. */
export function warmupStepsOf(warmup: WarmupLength, totalSteps: number): number {
  return "steps" in warmup ? warmup.steps : Math.trunc(totalSteps * warmup.proportion);
}

/** The recipe's own warmup for a run of the recipe's own length, else the same share of the steps. */
export function recipeWarmup(
  recipe: Recipe,
  proportion: number | undefined,
  trainStep: number,
  fromScratch: boolean,
): Reasoned<number> {
  const { length, warmup, task, source } = recipe;
  const own = `${task} recipe (${source})`;
  const of = (part: number, why: string): Reasoned<number> => [
    warmupStepsOf({ proportion: part }, trainStep),
    `${Number((part * 100).toFixed(4))} % of ${trainStep} steps, ${why}`,
  ];
  if (proportion !== undefined) return of(proportion, "given");
  if (fromScratch) return of(0.1, "training from random weights");
  if ("proportion" in warmup) return of(warmup.proportion, own);
  if (!("steps" in length) || length.steps === trainStep) return [warmup.steps, own];
  return of(Number((warmup.steps / length.steps).toFixed(3)), `as in the ${own}`);
}
