import { withBf16Products } from "../../graph/trace/bf16-products.ts";
import type { StepGraph } from "./step-graph.ts";

/**
 * A step whose matrix products have bfloat16 operands and results; loss, normalisations, softmax, sums of gradients and the update stay
 * float32. Products that hash dropout's keys stay as they are: their sums are whole numbers up to 2^24, which have to be exact
 * (`model/forward/dropout.ts`).
 */
export function withBf16Steps(step: StepGraph): StepGraph {
  const keys = new Set(step.graph.nodes.flatMap(({ inputs, outputs }) => (inputs.some(isDropoutKey) ? outputs : [])));
  const isHash = (inputs: readonly string[]) => inputs.some((name) => keys.has(name) || isDropoutKey(name));
  return { ...step, graph: withBf16Products(step.graph, ({ inputs }) => isHash(inputs)) };
}

function isDropoutKey(name: string): boolean {
  return name.startsWith("dropout/");
}
