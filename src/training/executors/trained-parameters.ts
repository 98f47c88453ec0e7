import type { Parameters } from "../../model/tensor.ts";
import { batchTensors } from "../objectives.ts";
import { traceAccumulation } from "../step/step-graph.ts";
import type { StepSpec } from "../step/training-step.ts";

/**
 * The parameters that the objective's gradient reaches, found by tracing the smallest possible batch. The others (a pooler
 * under a span head, every frozen one) are left alone entirely: no update, no decay, no moments.
 */
export function trainedParameters(spec: StepSpec, parameters: Parameters): readonly string[] {
  const { config, objective, trunk } = spec;
  const sizes = { examples: 1, length: 1, choices: 2, predictions: 1 };
  const tensors = batchTensors(objective, trunk === "cached" ? { ...sizes, cachedWidth: config.hiddenSize } : sizes);
  const signature = Object.fromEntries(tensors.map(({ name, shape, dtype }) => [name, { shape, dtype }]));
  return traceAccumulation({ spec, device: "cpu", parameters }, signature).trained;
}
