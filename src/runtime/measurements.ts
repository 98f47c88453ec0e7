import type { Precision } from "../graph/serving/dense.ts";
import type { ServingModel } from "../graph/serving/serving-graph.ts";
import type { CostModel } from "./cost-model.ts";
import type { DeviceKind } from "./engine.ts";

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

/**
 * What engines of each shape were measured to cost. A model's speed follows from its architecture, not from its weights: the
 * next version of a model need not be measured again, which would take the device from the version that serves.
 */
export class Measurements {
  readonly #known = new Map<string, Measurement>();

  find(model: Pick<ServingModel, "config" | "heads">, on: Measured): Measurement | undefined {
    return this.#known.get(keyOf(model, on));
  }

  keep(model: Pick<ServingModel, "config" | "heads">, on: Measured, measurement: Measurement): void {
    this.#known.set(keyOf(model, on), measurement);
  }
}

function keyOf({ config, heads }: Pick<ServingModel, "config" | "heads">, on: Measured): string {
  return JSON.stringify([config, heads, on.device, on.precision, on.threads]);
}
