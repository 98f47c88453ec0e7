import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import type { Precision } from "../../../src/graph/serving/dense.ts";
import { buildServingGraph } from "../../../src/graph/serving/serving-graph.ts";
import { splitOutputs } from "../../../src/runtime/batch/batch-outputs.ts";
import { packBatch } from "../../../src/runtime/batch/packed-batch.ts";
import type { SequenceInput } from "../../../src/runtime/engine.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";
import { bits, sequencesFor } from "../../support/models/any-sequence.ts";
import { randomModel, withPoisonousToken } from "../../support/models/random-model.ts";

/** Runs sequences as one run of the graph, however their lengths differ. */
async function runnerOf(model: ReturnType<typeof randomModel>, precision: Precision = "fp32") {
  const { heads } = model;
  const graph = buildServingGraph(model, { target: "cpu", precision });
  const session = await OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads: 2 });
  const run = async (sequences: readonly SequenceInput[]) => {
    const batch = packBatch({ target: "cpu", heads }, sequences);
    return splitOutputs(heads, batch, await session.run(batch.feeds)).map(bits);
  };
  return { run, dispose: () => session.dispose() };
}

describe("a sequence gets the same bits alone and in any batch", () => {
  it.each<[string, Record<string, unknown>, number]>([
    ["a small model", {}, 40],
    ["several groups", { num_hidden_layers: 5, num_hidden_groups: 2 }, 6],
    ["inner groups", { num_hidden_layers: 4, num_hidden_groups: 2, inner_group_num: 2 }, 6],
    ["a group for every layer", { num_hidden_layers: 3, num_hidden_groups: 3 }, 6],
    ["equal embedding and hidden sizes", { embedding_size: 32 }, 6],
    ["relu", { hidden_act: "relu" }, 6],
    ["tanh", { hidden_act: "tanh" }, 6],
    ["no activation", { hidden_act: "" }, 6],
    ["exact gelu", { hidden_act: "gelu_erf" }, 6],
    ["sizes that fit no vector register", { hidden_size: 33, num_attention_heads: 3, intermediate_size: 7 }, 10],
    ["one layer", { num_hidden_layers: 1 }, 6],
    ["int8", { hidden_size: 64 }, 20],
    ["heads of 64 and long texts", { hidden_size: 128, num_attention_heads: 2, max_position_embeddings: 512 }, 8],
  ])("with %s", async (name, config, numRuns) => {
    const model = randomModel({ config });
    const { run, dispose } = await runnerOf(model, name === "int8" ? "int8" : "fp32");
    await fc.assert(
      fc.asyncProperty(fc.array(sequencesFor(model.config), { minLength: 2, maxLength: 6 }), async (sequences) => {
        const together = await run(sequences);
        for (const [index, sequence] of sequences.entries())
          expect(together[index]).toEqual((await run([sequence]))[0]);
      }),
      { numRuns },
    );
    await dispose();
  });
});

it("a sequence's NaN stays with it", async () => {
  const { run, dispose } = await runnerOf(withPoisonousToken(randomModel(), 7));
  const sequence = (first: number, length: number): SequenceInput => ({
    inputIds: new Int32Array(length).fill(9).fill(first, 0, 1),
    tokenTypeIds: new Int32Array(length),
    outputs: ["sentiment", "span", "answer", "@sequence"],
  });
  const healthy = sequence(3, 2);
  const [alone] = await run([healthy]);
  const together = await run([sequence(7, 11), healthy, sequence(7, 1)]);
  expect(together[1]).toEqual(alone);
  await dispose();
});
