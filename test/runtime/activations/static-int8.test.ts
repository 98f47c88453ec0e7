import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import type { Target } from "../../../src/graph/serving/lowering.ts";
import { buildServingGraph, type ServingModel } from "../../../src/graph/serving/serving-graph.ts";
import type { RoundedType } from "../../../src/graph/serving/weights.ts";
import { trunkProducts } from "../../../src/model/activation-scales.ts";
import { splitOutputs } from "../../../src/runtime/batch/batch-outputs.ts";
import { packBatch } from "../../../src/runtime/batch/packed-batch.ts";
import { SEQUENCE_OUTPUT, type SequenceInput, type SequenceOutput } from "../../../src/runtime/engine.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";
import { bits, sequencesFor } from "../../support/models/any-sequence.ts";
import { scalesOf, observedTexts as texts } from "../../support/models/observed-scales.ts";
import { randomModel } from "../../support/models/random-model.ts";

type Model = ReturnType<typeof randomModel>;

interface Running {
  run(sequences: readonly SequenceInput[]): Promise<readonly SequenceOutput[]>;
  dispose(): Promise<void>;
}

async function running(
  model: ServingModel,
  {
    precision = "int8",
    target = "cpu",
    roundedType,
  }: { precision?: "fp32" | "int8"; target?: Target; roundedType?: RoundedType } = {},
): Promise<Running> {
  const graph = buildServingGraph(model, {
    ...{ target, precision },
    ...(roundedType === undefined ? {} : { roundedType }),
  });
  const session = await OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 2 });
  return {
    run: async (sequences) => {
      const batch = packBatch({ target, heads: model.heads }, sequences);
      return splitOutputs(model.heads, batch, await session.run(batch.feeds));
    },
    dispose: () => session.dispose(),
  };
}

const hidden = (outputs: readonly SequenceOutput[]) =>
  outputs.flatMap((output) => [...(output.get(SEQUENCE_OUTPUT)!["values"] as Float32Array)]);

/** Length of the difference as a share of the length of what was expected. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  return Math.hypot(...actual.map((value, at) => value - expected[at]!)) / Math.hypot(...expected);
}

async function errorOf(model: ServingModel, exact: readonly number[], sequences: readonly SequenceInput[]) {
  const session = await running(model);
  const error = relativeError(hidden(await session.run(sequences)), exact);
  await session.dispose();
  return error;
}

/** The model with four channels of its first normalisation much larger than the rest, as trained models have them. */
function withLargeChannels(model: Model): Model {
  const parameters = new Map(model.parameters);
  for (const scope of ["attention_1/self/query", "attention_1/self/key", "attention_1/self/value"]) {
    const name = `bert/encoder/transformer/group_0/inner_group_0/${scope}/kernel`;
    const { shape, data } = parameters.get(name)!;
    const columns = shape[1]!;
    parameters.set(name, { shape, data: data.map((value, at) => (at < 4 * columns ? value / 40 : value)) });
  }
  const gamma = "bert/encoder/transformer/group_0/inner_group_0/LayerNorm_1/gamma";
  const { shape, data } = parameters.get(gamma)!;
  parameters.set(gamma, { shape, data: data.map((value, at) => (at < 4 ? 40 * value : value)) });
  return { ...model, parameters };
}

describe("scales of static int8", () => {
  it("are the same whenever they are chosen, one for each layer that shares a kernel", async () => {
    const model = randomModel();
    const scales = await scalesOf(model);
    expect(await scalesOf(model)).toEqual(scales);
    const products = trunkProducts(model.config);
    expect([...scales.keys()]).toEqual(products.map(({ name }) => name));
    for (const { name, applications } of products) expect(scales.get(name)!.applications).toHaveLength(applications);
    const [qkv] = products.filter(({ applications }) => applications === 3);
    const found = scales.get(qkv!.name)!.applications.map(({ scale }) => scale);
    expect(new Set(found).size).toBeGreaterThan(1);
  });

  it.each<[string, Record<string, unknown>]>([
    ["layers that share weights", {}],
    ["a group for every layer", { num_hidden_groups: 3 }],
    ["several groups of several layers", { num_hidden_layers: 4, num_hidden_groups: 2, inner_group_num: 2 }],
  ])("keep a model with %s near float32, by either way of writing the products", async (_, config) => {
    const model = randomModel({ config });
    const scales = await scalesOf(model);
    const sequences = texts(model);
    const exact = await running(model, { precision: "fp32" });
    const expected = hidden(await exact.run(sequences));
    const integers = await running({ ...model, scales });
    const unsigned = await running({ ...model, scales }, { roundedType: "uint8" });
    const quantised = await running({ ...model, scales }, { target: "openvino" });
    const outputs = await integers.run(sequences);
    expect(relativeError(hidden(outputs), expected)).toBeLessThan(0.05);
    expect(relativeError(hidden(outputs), expected)).toBeGreaterThan(1e-5);
    expect(relativeError(hidden(await unsigned.run(sequences)), hidden(outputs))).toBeLessThan(1e-3);
    // A value on the border between two steps may fall to either side.
    expect(relativeError(hidden(await quantised.run(sequences)), hidden(outputs))).toBeLessThan(5e-3);
    for (const session of [exact, integers, unsigned, quantised]) await session.dispose();
  });

  it("smooth channels that are much larger than others, which lowers the error", async () => {
    const model = withLargeChannels(randomModel());
    const scales = await scalesOf(model);
    const qkv = [...scales.keys()].find((name) => name.includes("qkv"))!;
    const { smoothing, applications } = scales.get(qkv)!;
    const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(smoothing!.subarray(0, 4))).toBeGreaterThan(4 * mean(smoothing!.subarray(4)));
    const sequences = texts(model);
    const exact = await running(model, { precision: "fp32" });
    const expected = hidden(await exact.run(sequences));
    await exact.dispose();
    // The same ranges for inputs as they are: what a range of everything does.
    const plain = applications.map(({ scale, zeroPoint }) => ({ scale: 12 * scale, zeroPoint }));
    const unsmoothed = new Map(scales).set(qkv, { applications: plain });
    const error = await errorOf({ ...model, scales }, expected, sequences);
    expect(error).toBeLessThan(0.6 * (await errorOf({ ...model, scales: unsmoothed }, expected, sequences)));
  });

  it("round nothing where there are none", async () => {
    const model = randomModel();
    const sequences = texts(model);
    const exact = await running(model, { precision: "fp32" });
    const none = await running({ ...model, scales: new Map() });
    expect((await none.run(sequences)).map(bits)).toEqual((await exact.run(sequences)).map(bits));
    for (const session of [exact, none]) await session.dispose();
  });

  it("give a sequence the same bits alone and in any batch", async () => {
    const model = randomModel({ config: { hidden_size: 64 } });
    const { run, dispose } = await running({ ...model, scales: await scalesOf(model) });
    await fc.assert(
      fc.asyncProperty(fc.array(sequencesFor(model.config), { minLength: 2, maxLength: 6 }), async (sequences) => {
        const together = await run(sequences);
        for (const [at, sequence] of sequences.entries())
          expect(bits(together[at]!)).toEqual(bits((await run([sequence]))[0]!));
      }),
      { numRuns: 8 },
    );
    await dispose();
  });
});
