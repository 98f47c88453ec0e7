import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine, SequenceInput } from "../../src/runtime/engine.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { expectClose } from "../support/closeness.ts";
import { graphicsDevices } from "../support/graphics.ts";
import { OUTPUTS } from "../support/models/any-sequence.ts";
import { randomModel } from "../support/models/random-model.ts";

/** Largest difference between the two devices: other orders of summation, other approximations of exp and tanh. */
const TOLERANCE = 1e-4;

const devices = await graphicsDevices();

// Without a device, the tests are there and skipped.
describe.skipIf(devices.length === 0).each(devices.length === 0 ? ["webgpu" as const] : devices)(
  "on %s",
  (graphics) => {
    const model = randomModel({ config: { num_hidden_layers: 2 } });
    const engines: Engine[] = [];
    beforeAll(async () => {
      for (const device of ["cpu", graphics] as const) {
        engines.push(await createEngine(model, { device, calibrationMs: 0 }));
      }
    }, 120_000);
    afterAll(() => Promise.all(engines.map((engine) => engine.close())));

    it("computes every output as the CPU does", { timeout: 120_000 }, async () => {
      const sequences = [5, 1, 23].map(
        (length): SequenceInput => ({
          inputIds: Int32Array.from({ length }, (_, position) => (position * 7 + length) % model.config.vocabSize),
          tokenTypeIds: Int32Array.from({ length }, (_, position) => position % 2),
          outputs: OUTPUTS,
          maskedPositions: Int32Array.of(0),
        }),
      );
      const [cpu, gpu] = await Promise.all(engines.map((engine) => engine.run(sequences)));
      cpu!.outputs.forEach((output, sequence) => {
        for (const [name, tensors] of output) {
          for (const [key, values] of Object.entries(tensors)) {
            const actual = gpu!.outputs[sequence]!.get(name)![key]!;
            expectClose(actual, values, { absolute: TOLERANCE }, `${name} ${key} of sequence ${sequence}`);
          }
        }
      });
    });

    it("computes heads that nobody asked for on nothing", { timeout: 120_000 }, async () => {
      const sequence = { inputIds: Int32Array.of(2, 3), tokenTypeIds: new Int32Array(2), outputs: ["sentiment"] };
      const { outputs } = await engines[1]!.run([sequence]);
      expect([...outputs[0]!.keys()]).toEqual(["sentiment"]);
    });
  },
);
