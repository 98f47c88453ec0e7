import { describe, expect, it } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import type { Target } from "../../../src/graph/serving/lowering.ts";
import { buildServingGraph } from "../../../src/graph/serving/serving-graph.ts";
import { quantiseRows } from "../../../src/model/formats/scaled-int8.ts";
import type { Head } from "../../../src/model/heads.ts";
import type { Tensor } from "../../../src/model/tensor.ts";
import { splitOutputs } from "../../../src/runtime/batch/batch-outputs.ts";
import { packBatch } from "../../../src/runtime/batch/packed-batch.ts";
import type { SequenceInput } from "../../../src/runtime/engine.ts";
import { OrtSession } from "../../../src/runtime/session/ort.ts";
import { bits } from "../../support/models/any-sequence.ts";
import { ALL_HEADS, randomModel } from "../../support/models/random-model.ts";

const TABLE = "bert/embeddings/word_embeddings";
const UNTIED: readonly Head[] = ALL_HEADS.filter(({ kind }) => kind !== "masked-lm");
const SEQUENCES: readonly SequenceInput[] = [3, 11].map((length) => ({
  inputIds: Int32Array.from({ length }, (_, at) => (17 * at + length) % 120),
  tokenTypeIds: new Int32Array(length),
  outputs: ["sentiment", "span", "@sequence"],
}));

/** A model whose word embeddings came as int8, once as such and once as the floats that these stand for. */
function storedAndWidened(heads: readonly Head[] = UNTIED) {
  const model = randomModel({ heads });
  const { shape, data: steps, scales } = quantiseRows(model.parameters.get(TABLE)!);
  const width = shape[1]!;
  const floats = Float32Array.from(steps, (step, at) => step * scales.data[Math.floor(at / width)]!);
  let widened = 0;
  const stored: Tensor = {
    shape,
    scaled: { steps, scales: scales.data },
    get data() {
      widened++;
      return floats;
    },
  };
  const withTable = (table: Tensor) => ({ ...model, parameters: new Map(model.parameters).set(TABLE, table) });
  return { stored: withTable(stored), widened: withTable({ shape, data: floats }), timesWidened: () => widened };
}

const encoded = (model: ReturnType<typeof randomModel>, target: Target = "cpu") =>
  encodeModel(buildServingGraph(model, { target })).bytes;

async function answers(model: ReturnType<typeof randomModel>) {
  const session = await OrtSession.create(encoded(model), { device: "cpu", threads: 1 });
  const batch = packBatch({ target: "cpu", heads: model.heads }, SEQUENCES);
  const outputs = splitOutputs(model.heads, batch, await session.run(batch.feeds)).map(bits);
  await session.dispose();
  return outputs;
}

describe("word embeddings that are stored as int8", () => {
  it("stay so on the cpu, with the very answers of the table of floats, which is never made", async () => {
    const { stored, widened, timesWidened } = storedAndWidened();
    expect(await answers(stored)).toEqual(await answers(widened));
    expect(timesWidened()).toBe(0);
    const elements = stored.parameters.get(TABLE)!.scaled!.steps.length;
    expect(encoded(widened).length - encoded(stored).length).toBeGreaterThan(2 * elements);
  });

  it("are widened where a head reads the whole table, and where the device may not hold int8", async () => {
    const tied = storedAndWidened(ALL_HEADS);
    expect(await answers(tied.stored)).toEqual(await answers(tied.widened));
    expect(tied.timesWidened()).toBeGreaterThan(0);
    expect(encoded(tied.stored), "no second table beside the widened one").toEqual(encoded(tied.widened));
    for (const target of ["openvino", "webgpu", "cuda"] as const) {
      const { stored, widened } = storedAndWidened();
      expect(encoded(stored, target)).toEqual(encoded(widened, target));
    }
  });
});
