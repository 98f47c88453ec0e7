import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../../src/graph/onnx/graph-builder.ts";
import { encodeModel } from "../../src/graph/onnx/serialise.ts";
import { buildServingGraph } from "../../src/graph/serving/serving-graph.ts";
import { loadParameters } from "../../src/model/checkpoint/load-parameters.ts";
import { parseAlbertConfig } from "../../src/model/config.ts";
import { openTensorBundle } from "../../src/model/formats/tensor-bundle.ts";
import type { Head } from "../../src/model/heads.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import { splitOutputs } from "../../src/runtime/batch/batch-outputs.ts";
import { packBatch } from "../../src/runtime/batch/packed-batch.ts";
import type { SequenceInput } from "../../src/runtime/engine.ts";
import { findOpenVino } from "../../src/runtime/openvino/find-library.ts";
import { OpenVinoSession } from "../../src/runtime/openvino/openvino-session.ts";
import { removeModelFiles, writeModelFiles } from "../../src/runtime/session/model-files.ts";
import { OrtSession } from "../../src/runtime/session/ort.ts";
import { expectClose } from "../support/closeness.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { type GraphicsDevice, namedDevices } from "../support/graphics.ts";
import { ExpectedTensors } from "./expected-tensors.ts";

/** A session of a graph on one of the devices. */
async function openSession(graph: GraphBuilder, device: (typeof DEVICES)[number] | GraphicsDevice) {
  if (device !== "openvino") return OrtSession.create(encodeModel(graph).bytes, { device, threads: 1 });
  const files = await writeModelFiles(graph);
  try {
    const { modelPath, outputs } = files;
    return await OpenVinoSession.create(modelPath, { device, threads: 1, outputs, precision: "fp32" });
  } finally {
    await removeModelFiles(files);
  }
}

/** Graphics cards sum in other orders, and approximate exp and tanh otherwise. */
const TOLERANCES = { processor: { hidden: 2e-5, logits: 5e-5 }, graphics: { hidden: 1e-4, logits: 2.5e-4 } } as const;
const HEADS: readonly Head[] = [
  { kind: "masked-lm", name: "mlm" },
  { kind: "sentence-order", name: "sop" },
];
const OUTPUTS = ["mlm", "sop", "@pooled", "@sequence"];

const models = fixture("models");
const cases = (models === undefined ? [] : readdirSync(models, { recursive: true, encoding: "utf8" }))
  .filter((path) => /expected_[^/]*\.safetensors$/.test(path))
  .sort();

/** Devices of this machine's processor. */
const DEVICES = ["cpu", "openvino"] as const;
const isThere = { cpu: true, openvino: !missing("OpenVINO (pip install openvino)", findOpenVino() !== undefined) };
const runs = [...DEVICES.filter((device) => isThere[device]), ...namedDevices].flatMap((device) =>
  cases.map((path) => [path, device] as const),
);

describe.skipIf(missing("golden models", cases.length > 0))("the packed serving graph equals Google's", () => {
  it.each(runs)("%s on %s", async (path, device) => {
    const { hidden: HIDDEN, logits: LOGITS } =
      TOLERANCES[device === "cpu" || device === "openvino" ? "processor" : "graphics"];
    const directory = join(models!, path, "..");
    const { config } = parseAlbertConfig(await readJsonObject(join(directory, "albert_config.json")));
    const bundle = readdirSync(directory).find((name) => name.endsWith(".index"))!;
    const reader = await openTensorBundle(join(directory, bundle.slice(0, -".index".length)));
    const { parameters } = await loadParameters(reader, config, HEADS);
    const expected = await ExpectedTensors.read(join(models!, path));
    const layers = expected.names.filter((name) => /^layer_\d+$/.test(name));

    const wanted = expected.sequences(OUTPUTS).map(({ row, input }) => {
      const positions = expected.intRow("masked_lm_positions", row).filter((it) => it < input.inputIds.length);
      return { row, input: { ...input, maskedPositions: positions } satisfies SequenceInput };
    });
    expect(wanted.length).toBeGreaterThan(0);
    const graph = buildServingGraph({ config, heads: HEADS, parameters }, { target: device, layerOutputs: true });
    const session = await openSession(graph, device);
    const batch = packBatch(
      { target: device, heads: HEADS },
      wanted.map(({ input }) => input),
    );
    const outputs = await session.run(batch.feeds);
    await session.dispose();
    const results = splitOutputs(HEADS, batch, outputs);
    if (layers.length > 0) expect(layers.length).toBe(config.numHiddenLayers * config.innerGroupNum);

    wanted.forEach(({ row, input }, index) => {
      const length = input.inputIds.length;
      const start = batch.rows.starts[index]!;
      const inputRows = (name: string, width: number) =>
        (outputs[name]!.data as Float32Array).subarray(start * width, (start + length) * width);
      const close = (actual: ArrayLike<number>, name: string, absolute: number, of?: number) =>
        expectClose(
          actual,
          expected.floatRow(name, row).subarray(0, of ?? actual.length),
          { absolute },
          `row ${row} of ${name}`,
        );
      if (expected.has("embedding_output")) {
        close(inputRows("embedding_output", config.embeddingSize), "embedding_output", HIDDEN);
      }
      for (const layer of layers) close(inputRows(layer, config.hiddenSize), layer, HIDDEN);
      const result = results[index]!;
      const sequence = result.get("@sequence")!["values"]!;
      expect(sequence.length).toBe(length * config.hiddenSize);
      close(sequence, "sequence_output", HIDDEN);
      close(result.get("@pooled")!["values"]!, "pooled_output", HIDDEN);
      const sop = result.get("sop")!["logits"]!;
      close(sop, "sop_logits", LOGITS);
      const label = expected.intRow("next_sentence_labels", row)[0]!;
      close([logSumExp(sop) - sop[label]!], "sop_example_loss", LOGITS);
      compareMasked(expected, row, input, result.get("mlm")!["logits"] as Float32Array, LOGITS);
    });
  });
});

/** Vocabulary logits at each masked position, against whatever of them the golden file holds. */
function compareMasked(
  expected: ExpectedTensors,
  row: number,
  input: SequenceInput,
  logits: Float32Array,
  absolute: number,
): void {
  const V = logits.length / input.maskedPositions!.length;
  const slots = expected.shape("masked_lm_positions")[1]!;
  const rows = expected.shape("masked_lm_positions")[0]! * slots;
  let taken = 0;
  for (let slot = 0; slot < slots; slot++) {
    const flat = row * slots + slot;
    if (expected.ints("masked_lm_positions")[flat]! >= input.inputIds.length) continue;
    const own = logits.subarray(taken * V, (taken + 1) * V);
    taken += 1;
    const close = (actual: ArrayLike<number>, wanted: ArrayLike<number>, name: string) =>
      expectClose(actual, wanted, { absolute }, `${name} of row ${row}, slot ${slot}`);
    if (expected.has("mlm_logits")) close(own, expected.floatRow("mlm_logits", flat, rows), "mlm_logits");
    if (expected.has("mlm_logits_first2_rows") && flat < 2) {
      close(own, expected.floatRow("mlm_logits_first2_rows", flat), "mlm_logits_first2_rows");
    }
    const topIds = expected.intRow("mlm_top20_ids", flat, rows);
    close(
      Array.from(topIds, (id) => own[id]!),
      expected.floatRow("mlm_top20_logits", flat, rows),
      "mlm_top20_logits",
    );
    const total = logSumExp(own);
    close([total], expected.floatRow("mlm_logsumexp", flat, rows), "mlm_logsumexp");
    const loss = total - own[expected.ints("masked_lm_ids")[flat]!]!;
    close([loss], expected.floatRow("masked_lm_example_loss", flat, rows), "masked_lm_example_loss");
  }
}

function logSumExp(logits: ArrayLike<number>): number {
  const values = Array.from(logits);
  const max = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}
