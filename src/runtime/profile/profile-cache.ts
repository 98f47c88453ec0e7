import type { Precision } from "../../graph/serving/dense.ts";
import type { ServingModel } from "../../graph/serving/serving-graph.ts";
import type { DeviceKind } from "../engine.ts";
import type { CostModel } from "./cost-model.ts";

// Keeps what engines were measured to cost, so that a model of the same shape is not measured again.

/** What a model was measured on. */
export interface Measured {
  readonly device: DeviceKind;
  readonly precision: Precision;
  readonly threads: number;
}

/** What measuring found; engines of one shape share it and go on learning. */
export interface Measurement {
  readonly cost: CostModel;
  readonly tokenBudget: number;
}

/** What decides how fast a model runs. */
export interface ModelShape extends Pick<ServingModel, "config" | "heads"> {
  /** See `PreparedModel.hasScales`. */
  readonly hasScales?: boolean;
}

/**
 * What engines of each shape were measured to cost. A model's speed follows from its architecture, not from its weights: the
 * next version of a model need not be measured again, which would take the device from the version that serves, nor another model on the same trunk.
 */
export class ProfileCache {
  readonly #known = new Map<string, Measurement>();
  readonly #onLookup: (hit: boolean) => void;

  /** @param onLookup  told whether what was looked for was known */
  constructor(onLookup: (hit: boolean) => void = () => {}) {
    this.#onLookup = onLookup;
  }

  find(model: ModelShape, on: Measured): Measurement | undefined {
    const found = this.#known.get(keyOf(model, on));
    this.#onLookup(found !== undefined);
    return found;
  }

  keep(model: ModelShape, on: Measured, measurement: Measurement): void {
    this.#known.set(keyOf(model, on), measurement);
  }
}

function keyOf(model: ModelShape, { device, precision, threads }: Measured): string {
  return JSON.stringify([shapeKey(model), device, precision, threads]);
}

/**
 * The same text for models whose runs cost the same on one device. That follows from the trunk's sizes, and from the one head
 * that is as wide as the vocabulary; others are a few rows.
 */
export function shapeKey({ config, heads, hasScales = false }: ModelShape): string {
  const { vocabSize, embeddingSize, hiddenSize, intermediateSize, numHiddenLayers, innerGroupNum } = config;
  const { numAttentionHeads, hiddenAct, maxPositionEmbeddings } = config;
  const trunk = [vocabSize, embeddingSize, hiddenSize, intermediateSize, numHiddenLayers, innerGroupNum];
  const wide = heads.some(({ kind }) => kind === "masked-lm");
  return JSON.stringify([...trunk, numAttentionHeads, hiddenAct, maxPositionEmbeddings, wide, hasScales]);
}
