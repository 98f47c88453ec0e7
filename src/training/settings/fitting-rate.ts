import type { AlbertConfig } from "../../model/config.ts";
import type { FineTuningHints } from "../../model/directory/model-directory.ts";
import type { Recipe } from "./recipes.ts";

// Chooses a learning rate that fits a model where none is given.

/** What a learning rate has to fit. */
export interface Learner {
  readonly config: AlbertConfig;
  /** Whether the trunk starts from random numbers. */
  readonly fromScratch: boolean;
  /** Whether the trunk is frozen, and only a head learns. */
  readonly headOnly: boolean;
  /** What the model's maker measured. */
  readonly hints?: FineTuningHints;
}

export interface FittingRate {
  readonly rate: number;
  readonly why: string;
  /** Its source: the model's maker, published rates for its size, a test on this run's data, or a rule alone. */
  readonly source: "maker" | "published" | "test" | "rule";
}

/** The smallest model that recipes were published for: ALBERT base. */
const PUBLISHED = { hiddenSize: 768, layers: 12 };
/** Rates for a head alone, and for 2 layers of 128 from random weights (docs/results/sst-2-from-scratch.md). */
const HEAD_RATE = 2e-3;
const SCRATCH = { rate: 1e-3, hiddenSize: 128, layers: 2 };

/**
 * The learning rate that fits a model: what its maker measured; the recipe's for the published sizes; else by rule. Adam's steps
 * are as large in a narrow matrix as in a wide one, so rates fall with width (power 1.5, which agrees with the rates published for
 * BERT's small models, 3e-4 at 128 and 5e-5 at 512) and with the root of depth.
 */
export function fittingRate(recipe: Recipe, { config, fromScratch, headOnly, hints }: Learner): FittingRate {
  const { hiddenSize, numHiddenLayers } = config;
  const size = `${numHiddenLayers} layers of ${hiddenSize}`;
  if (headOnly) return { rate: HEAD_RATE, why: "a head alone learns at a higher rate than a trunk", source: "rule" };
  if (hints !== undefined && !fromScratch) {
    return { rate: hints.learningRate, why: "the model's manifest: measured by its maker", source: "maker" };
  }
  if (fromScratch) {
    const scale = Math.sqrt((SCRATCH.hiddenSize / hiddenSize) * (SCRATCH.layers / numHiddenLayers));
    const rate = rounded(SCRATCH.rate * Math.min(1, scale));
    return {
      rate,
      why: `training from random weights needs a higher rate than fine-tuning; for ${size}`,
      source: hiddenSize === SCRATCH.hiddenSize && numHiddenLayers === SCRATCH.layers ? "published" : "rule",
    };
  }
  const { learningRate, task, source, examples } = recipe;
  const published = `${task} recipe (${source})`;
  if (hiddenSize >= PUBLISHED.hiddenSize) {
    return examples === undefined && hiddenSize >= 2048
      ? { rate: 1e-5, why: `models this wide (${size}) need a lower rate than the ${published}`, source: "published" }
      : { rate: learningRate, why: published, source: "published" };
  }
  const width = (PUBLISHED.hiddenSize / hiddenSize) ** 1.5;
  const depth = Math.sqrt(Math.max(1, PUBLISHED.layers / numHiddenLayers));
  const rate = rounded(Math.min(SCRATCH.rate, learningRate * width * depth));
  return { rate, why: `${learningRate} of the ${task} recipe, scaled to ${size} by rule`, source: "rule" };
}

/** Two significant digits: more would claim more than a rule knows. */
function rounded(rate: number): number {
  return Number(rate.toPrecision(2));
}
