import "@tensorflow/tfjs-backend-cpu";
import { mul, type Scalar, setBackend, sum, type Tensor2D, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { AlbertConfig } from "../../../src/model/config.ts";
import { differentiate } from "../../../src/model/forward/differentiate.ts";
import { NO_DROPOUT } from "../../../src/model/forward/dropout.ts";
import type { TrunkInputs } from "../../../src/model/forward/embeddings.ts";
import { encode, encodeFirstTokens, type HiddenStates } from "../../../src/model/forward/encoder.ts";
import { pool } from "../../../src/model/forward/pooler.ts";
import type { Variables } from "../../../src/model/forward/variables.ts";
import { variablesOf } from "../../golden/forward-inputs.ts";
import { expectClose } from "../../support/closeness.ts";
import { randomNumbers, TINY, tinyState } from "../../training/tiny-training.ts";

const ROWS = 3;
const LENGTH = 8;

const CONFIGS: Readonly<Record<string, AlbertConfig>> = {
  "three layers in two groups": TINY,
  "inner blocks": { ...TINY, innerGroupNum: 2, numHiddenLayers: 2 },
  "one layer": { ...TINY, numHiddenLayers: 1 },
};

/** Sequences of 8, 5 and 2 tokens. */
function inputs(random: () => number): TrunkInputs {
  const shape: [number, number] = [ROWS, LENGTH];
  const filled = (value: (row: number, place: number) => number) =>
    Array.from({ length: ROWS * LENGTH }, (_, i) => value(Math.floor(i / LENGTH), i % LENGTH));
  return {
    inputIds: tensor2d(
      filled(() => Math.floor(random() * TINY.vocabSize)),
      shape,
      "int32",
    ),
    inputMask: tensor2d(
      filled((row, place) => (place < LENGTH - 3 * row ? 1 : 0)),
      shape,
    ),
    segmentIds: tensor2d(
      filled((_, place) => (place < 3 ? 0 : 1)),
      shape,
      "int32",
    ),
  };
}

/** A loss of the pooled output, and its gradient. */
function lossOf(config: AlbertConfig, variables: Variables, directions: Tensor2D, states: () => HiddenStates) {
  return differentiate(variables, () => sum(mul(pool(config, variables, states()), directions)) as Scalar);
}

describe("first tokens computed alone", () => {
  beforeAll(async () => {
    await setBackend("cpu");
  });

  it.each(Object.keys(CONFIGS))("give the loss and the gradients of the whole computation (%s)", (name) => {
    const config = CONFIGS[name]!;
    tidy(() => {
      const random = randomNumbers(5);
      const variables = variablesOf(tinyState(config, [], 4).parameters);
      const batch = inputs(random);
      const directions = tensor2d(
        Array.from({ length: ROWS * config.hiddenSize }, () => random() - 0.5),
        [ROWS, config.hiddenSize],
      );
      const whole = lossOf(config, variables, directions, () => encode(config, variables, batch, NO_DROPOUT));
      const alone = lossOf(config, variables, directions, () =>
        encodeFirstTokens(config, variables, batch, NO_DROPOUT),
      );
      expectClose(alone.value.dataSync(), whole.value.dataSync(), { absolute: 1e-7 }, "loss");
      expect([...alone.gradients.keys()]).toEqual([...whole.gradients.keys()]);
      const values = [...whole.gradients].map(([parameter, gradient]) => [parameter, gradient.dataSync()] as const);
      const largest = Math.max(...values.flatMap(([, gradient]) => [...gradient].map(Math.abs)));
      for (const [parameter, gradient] of values) {
        const tolerance = { absolute: 1e-6 * largest };
        expectClose(alone.gradients.get(parameter)!.dataSync(), gradient, tolerance, parameter);
      }
    });
  });
});
