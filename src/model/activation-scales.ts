import { type AlbertConfig, groupOfLayer } from "./config.ts";
import { blockScope } from "./parameters.ts";

// How the inputs of a trunk's matrix products are rounded to 8 bits with scales that were fixed beforehand: for which products there
// are scales, and what they are.

/** A product of the trunk: what serving graphs multiply by, under the name that they give it. */
export interface TrunkProduct {
  readonly name: string;
  /** The variables [inputs, .] that lie side by side in it. */
  readonly parts: readonly string[];
  readonly inputs: number;
  /** How often a text passes it: layers that share weights multiply by them once each. */
  readonly applications: number;
  /** The product whose last columns give its input, by a weighted mean alone; absent where anything else lies between. */
  readonly meanOf?: string;
}

/** How the input of a product is rounded, in unsigned steps of one size around the step that stands for 0. */
export interface InputScales {
  /** What each channel of the input is divided by before it is rounded; the kernel's rows are multiplied by it [inputs]. */
  readonly smoothing?: Float32Array;
  /** Of each application, in the order of layers. */
  readonly applications: readonly InputScale[];
}

export interface InputScale {
  /** What one step stands for. */
  readonly scale: number;
  /** The step that stands for 0, from 0 to 255. */
  readonly zeroPoint: number;
}

/** Scales by the name of the product. A product that has none is not rounded. */
export type ActivationScales = ReadonlyMap<string, InputScales>;

/** Names of the products of one block. */
export function productsOf(scope: string) {
  const attention = `${scope}/attention_1`;
  return {
    qkv: `${attention}/self/qkv/kernel`,
    attended: `${attention}/output/dense/kernel`,
    up: `${scope}/ffn_1/intermediate/dense/kernel`,
    down: `${scope}/ffn_1/intermediate/output/dense/kernel`,
  };
}

/** The projection of embeddings to the hidden size. */
export const EMBEDDING_PROJECTION = "bert/encoder/embedding_hidden_mapping_in/kernel";

/** Every product of the trunk that int8 rounds, in the order in which a text first meets them. */
export function trunkProducts(config: AlbertConfig): TrunkProduct[] {
  const { hiddenSize, intermediateSize, embeddingSize, numHiddenLayers, numHiddenGroups, innerGroupNum } = config;
  const products: TrunkProduct[] = [];
  if (config.embeddingProjection) {
    const name = EMBEDDING_PROJECTION;
    products.push({ name, parts: [name], inputs: embeddingSize, applications: 1 });
  }
  const layers = Array.from({ length: numHiddenLayers }, (_, layer) => groupOfLayer(config, layer));
  for (let group = 0; group < numHiddenGroups; group++) {
    const applications = layers.filter((used) => used === group).length;
    for (let inner = 0; inner < innerGroupNum; inner++) {
      const scope = blockScope(group, inner);
      const { qkv, attended, up, down } = productsOf(scope);
      const parts = ["query", "key", "value"].map((part) => `${scope}/attention_1/self/${part}/kernel`);
      products.push(
        { name: qkv, parts, inputs: hiddenSize, applications },
        { name: attended, parts: [attended], inputs: hiddenSize, applications, meanOf: qkv },
        { name: up, parts: [up], inputs: hiddenSize, applications },
        { name: down, parts: [down], inputs: intermediateSize, applications },
      );
    }
  }
  return products.filter(({ applications }) => applications > 0);
}
