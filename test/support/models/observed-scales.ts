import { type ActivationScales, trunkProducts } from "../../../src/model/activation-scales.ts";
import { chooseScales } from "../../../src/runtime/activations/choose-scales.ts";
import { InputCollector } from "../../../src/runtime/activations/input-sample.ts";
import { observeInputs } from "../../../src/runtime/activations/observe-inputs.ts";
import { SEQUENCE_OUTPUT, type SequenceInput } from "../../../src/runtime/engine.ts";
import type { randomModel } from "./random-model.ts";

type Model = ReturnType<typeof randomModel>;

/** Texts to observe, a pure function of nothing. */
export function observedTexts({ config }: Model): SequenceInput[] {
  return [5, 1, 23, 64, 40].map((length, at) => ({
    inputIds: Int32Array.from({ length }, (_, place) => (place * 7 + at * 31 + length) % config.vocabSize),
    tokenTypeIds: Int32Array.from({ length }, (_, place) => place % 2),
    outputs: ["sentiment", SEQUENCE_OUTPUT],
  }));
}

/** Scales of every product, as `albert quantise` finds them. */
export async function scalesOf(model: Model): Promise<ActivationScales> {
  const sequences = observedTexts(model);
  const tokens = sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const collectors = trunkProducts(model.config).map((product) => new InputCollector(product, tokens, 64));
  await observeInputs(
    model,
    sequences,
    (inputs) => {
      inputs.forEach(({ applications }, at) => {
        collectors[at]!.add(applications);
      });
    },
    { threads: 1 },
  );
  return new Map(
    collectors.map((collector) => {
      const sample = collector.sample();
      const kernel = sample.product.parts.map((part) => model.parameters.get(part)!);
      return [sample.product.name, chooseScales(sample, kernel)];
    }),
  );
}
