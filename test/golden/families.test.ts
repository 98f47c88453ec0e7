import "@tensorflow/tfjs-backend-cpu";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ones, reshape, setBackend, type Tensor2D, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { exportHuggingFace } from "../../src/model/checkpoint/export-checkpoint.ts";
import { openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import type { Model } from "../../src/model/directory/model-directory.ts";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { NO_DROPOUT } from "../../src/model/forward/dropout.ts";
import { encode } from "../../src/model/forward/encoder.ts";
import { pooledLogits } from "../../src/model/forward/heads/classification.ts";
import { maskedLmLogits } from "../../src/model/forward/heads/masked-lm.ts";
import { spanLogits } from "../../src/model/forward/heads/span.ts";
import { pool } from "../../src/model/forward/pooler.ts";
import type { Head } from "../../src/model/heads.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import { POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceInput } from "../../src/runtime/engine.ts";
import { findOpenVino } from "../../src/runtime/openvino/find-library.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { planEncoding } from "../../src/tasks/masked-lm/encoding.ts";
import { taskModel } from "../../src/tasks/plan.ts";
import { expectClose } from "../support/closeness.ts";
import { BUNDLED_FIXTURES, fixture, missing } from "../support/fixtures.ts";
import { scratchDirectory } from "../support/models/tiny-model.ts";
import { variablesOf } from "./forward-inputs.ts";

// Small random models of every family and head, against what Hugging Face's transformers computed with them; made by
// `scripts/goldens/model-families.py`.

/** float32 of two libraries over two layers. */
const TOLERANCE = { absolute: 1e-5 };

/** Devices of this machine's processor. */
const DEVICES = missing("OpenVINO (pip install openvino)", findOpenVino() !== undefined)
  ? (["cpu"] as const)
  : (["cpu", "openvino"] as const);

const root = fixture("families") ?? join(BUNDLED_FIXTURES, "families");
const cases = readdirSync(root).filter((name) => existsSync(join(root, name, "expected.json")));
const scratch = scratchDirectory();

/** What transformers made of one text or pair. */
interface Row {
  readonly text: string;
  readonly text_pair: string | null;
  readonly ids: readonly number[];
  readonly types: readonly number[];
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

async function open(name: string): Promise<{ model: Model; rows: readonly Row[] }> {
  const { rows } = (await readJsonObject(join(root, name, "expected.json"))) as unknown as { rows: readonly Row[] };
  return { model: await openModelDirectory(join(root, name)), rows };
}

/** The class's name of each output of ours; undefined for what it does not give. */
function expectedOf(row: Row, heads: readonly Head[], output: string): readonly number[] | undefined {
  const kind = heads.find((head) => head.name === output)?.kind;
  if (output === SEQUENCE_OUTPUT) return row.outputs["last_hidden_state"];
  if (output === POOLED_OUTPUT) return row.outputs["pooler_output"];
  if (kind === "masked-lm") return row.outputs["prediction_logits"] ?? row.outputs["logits"];
  return kind === "sentence-order"
    ? (row.outputs["seq_relationship_logits"] ?? row.outputs["logits"])
    : row.outputs["logits"];
}

describe("models of every family", () => {
  beforeAll(async () => {
    await setBackend("cpu");
  });

  it("are at hand", () => {
    for (const family of ["bert", "electra", "distilbert"]) {
      expect(cases.filter((name) => name.startsWith(`${family}-`)).length).toBeGreaterThanOrEqual(7);
    }
  });

  it.each(cases)("%s: token ids are those of transformers", async (name) => {
    const { model, rows } = await open(name);
    for (const { text, text_pair: textPair, ids, types } of rows) {
      const request = { text, ...(textPair === null ? {} : { textPair }) };
      const { tokenizer, config } = model;
      const plan = planEncoding(request, { tokenizer, heads: [], maxSequenceLength: config.maxPositionEmbeddings });
      const [sequence] = plan.sequences;
      expect([...sequence!.inputIds]).toEqual(ids);
      expect([...sequence!.tokenTypeIds]).toEqual(types);
    }
  });

  const runs = cases.flatMap((name) => DEVICES.map((device) => [name, device] as const));
  it.each(runs)("%s: the serving graph gives the outputs of transformers (%s)", async (name, device) => {
    const { model, rows } = await open(name);
    const engine = await createEngine(model, { device, calibrationMs: 0, threads: 1 });
    try {
      const names = [...model.heads.map((head) => head.name), SEQUENCE_OUTPUT, POOLED_OUTPUT];
      const sequences = rows.map(
        ({ ids, types }): SequenceInput => ({
          inputIds: Int32Array.from(ids),
          tokenTypeIds: Int32Array.from(types),
          outputs: names,
          maskedPositions: Int32Array.from(ids.keys()),
        }),
      );
      const { outputs } = await engine.run(sequences);
      let compared = 0;
      rows.forEach((row, i) => {
        for (const output of names) {
          const tensors = outputs[i]!.get(output)!;
          if (tensors["startLogits"] !== undefined) {
            expectClose(tensors["startLogits"], row.outputs["start_logits"]!, TOLERANCE, "starts");
            expectClose(tensors["endLogits"]!, row.outputs["end_logits"]!, TOLERANCE, "ends");
            compared++;
            continue;
          }
          const expected = expectedOf(row, model.heads, output);
          if (expected === undefined) continue;
          expectClose(tensors["logits"] ?? tensors["values"]!, expected, TOLERANCE, output);
          compared++;
        }
      });
      if (name !== "electra-discriminator") expect(compared).toBeGreaterThanOrEqual(rows.length);
    } finally {
      await engine.close();
    }
  });

  it.each(cases.filter((name) => name.includes("-sentences-")))(
    "%s: a text's vector is that of sentence-transformers, unless another pooling is asked for",
    async (name) => {
      const { model, rows } = await open(name);
      const task = taskModel(model);
      expect(task.maxSequenceLength).toBe(32);
      const engine = await createEngine(model, { device: "cpu", calibrationMs: 0, threads: 1 });
      try {
        for (const { text, outputs } of rows) {
          const vectorOf = async (pooling?: "mean") => {
            const plan = planEncoding({ text, ...(pooling === undefined ? {} : { pooling }) }, task);
            return plan.answer((await engine.run(plan.sequences)).outputs).embedding;
          };
          expectClose(await vectorOf(), outputs["embedding"]!, TOLERANCE, "embedding");
          const width = model.config.hiddenSize;
          const states = outputs["last_hidden_state"]!;
          const mean = Array.from({ length: width }, (_, column) => {
            const values = states.filter((_value, i) => i % width === column);
            return values.reduce((sum, value) => sum + value, 0) / values.length;
          });
          expectClose(await vectorOf("mean"), mean, TOLERANCE, "mean without a length of 1");
        }
      } finally {
        await engine.close();
      }
    },
  );

  it.each(cases)("%s: so do the functions that training differentiates", async (name) => {
    const { model, rows } = await open(name);
    const { config, heads } = model;
    const variables = variablesOf(model.parameters);
    for (const row of rows) {
      tidy(() => {
        const shape: [number, number] = [1, row.ids.length];
        const inputs = {
          inputIds: tensor2d([...row.ids], shape, "int32"),
          inputMask: ones(shape) as Tensor2D,
          segmentIds: tensor2d([...row.types], shape, "int32"),
        };
        const trunk = encode(config, variables, inputs, NO_DROPOUT);
        const compare = (output: string, actual: Tensor2D) => {
          const expected = expectedOf(row, heads, output);
          if (expected !== undefined) expectClose(reshape(actual, [-1]).dataSync(), expected, TOLERANCE, output);
        };
        compare(SEQUENCE_OUTPUT, trunk.sequenceOutput);
        compare(POOLED_OUTPUT, pool(config, variables, trunk));
        for (const head of heads) {
          if (head.kind === "span") {
            const { start, end } = spanLogits(variables, head, trunk.sequenceOutput, 1, row.ids.length);
            expectClose(start.dataSync(), row.outputs["start_logits"]!, TOLERANCE, "starts");
            expectClose(end.dataSync(), row.outputs["end_logits"]!, TOLERANCE, "ends");
          } else if (head.kind === "masked-lm") {
            compare(head.name, maskedLmLogits(config, variables, head, trunk.sequenceOutput));
          } else {
            compare(head.name, pooledLogits(variables, head, pool(config, variables, trunk)));
          }
        }
      });
    }
  });

  it.each(cases)("%s: goes back into its own names and configuration, and comes in again the same", async (name) => {
    const { model } = await open(name);
    const exported = scratch(`${name}-exported`);
    await exportHuggingFace(exported, { ...model, ...model.manifest });
    const { tensors: stored } = await readSafetensors(join(root, name, "model.safetensors"));
    // A bare trunk's file lacks the family's prefix, which every export has.
    const bare = name.includes("-trunk") ? `${model.config.family}.` : "";
    const before = new Map([...stored].map(([tensor, value]) => [bare + tensor, value]));
    const { tensors: after } = await readSafetensors(join(exported, "model.safetensors"));
    // Where the class has no pooler, ours is written too; the discriminator's own head is left aside.
    const added = [...after.keys()].filter((tensor) => !before.has(tensor));
    const lost = [...before.keys()].filter((tensor) => !after.has(tensor));
    expect(added.filter((tensor) => !/pooler|pre_classifier|classifier\.dense/.test(tensor))).toEqual([]);
    expect(lost.filter((tensor) => !/^discriminator_predictions\./.test(tensor))).toEqual([]);
    for (const [tensor, { shape, data }] of after) {
      if (!before.has(tensor)) continue;
      expect(shape, tensor).toEqual(before.get(tensor)!.shape);
      if (name === "bert-untied" && tensor === "cls.predictions.bias") continue; // which its class does not read
      expect(data, tensor).toEqual(before.get(tensor)!.data);
    }
    const configBefore = await readJsonObject(join(root, name, "config.json"));
    const configAfter = await readJsonObject(join(exported, "config.json"));
    const restated = ["dtype", "transformers_version", "bos_token_id", "eos_token_id", "id2label", "label2id"];
    for (const [key, value] of Object.entries(configBefore)) {
      if (restated.includes(key)) continue;
      if (name === "electra-discriminator" && key === "architectures") continue;
      expect(configAfter[key], key).toEqual(value);
    }
    const again = await openCheckpoint(exported);
    expect(again.parameters).toEqual(model.parameters);
    expect(again.heads).toEqual(model.heads);
    expect(again.config).toMatchObject({ ...model.config, extra: {} });
    expect(again.encoding).toEqual(model.manifest.encoding);
    expect(again.maxSequenceLength).toBe(model.manifest.maxSequenceLength);
    for (const file of name.includes("-sentences-") ? ["modules.json", "1_Pooling/config.json"] : []) {
      expect(readFileSync(join(exported, file), "utf8")).toBe(readFileSync(join(root, name, file), "utf8"));
    }

    const own = scratch(`${name}-own`);
    await writeModelDirectory(own, { ...model, ...model.manifest, name });
    const opened = await openModelDirectory(own);
    expect(opened.parameters).toEqual(model.parameters);
    expect(opened.heads).toEqual(model.heads);
    expect(opened.config).toMatchObject({ ...model.config, extra: {} });
    expect(opened.manifest.encoding).toEqual(model.manifest.encoding);
  });
});
