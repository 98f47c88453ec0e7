import { describe, expect, it } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { buildExportGraph } from "../../../src/graph/serving/export-graph.ts";
import { buildServingGraph } from "../../../src/graph/serving/serving-graph.ts";
import { splitOutputs } from "../../../src/runtime/batch/batch-outputs.ts";
import { packBatch } from "../../../src/runtime/batch/packed-batch.ts";
import type { SequenceInput } from "../../../src/runtime/engine.ts";
import { type HostTensor, OrtSession } from "../../../src/runtime/session/ort.ts";
import { expectClose } from "../../support/closeness.ts";
import { OUTPUTS } from "../../support/models/any-sequence.ts";
import { randomModel } from "../../support/models/random-model.ts";

const LENGTHS = [5, 12, 1, 9, 0];
const WIDTH = 12;

describe("an exported model", () => {
  it("computes from a padded batch what the serving graph computes from a packed one", async () => {
    const model = randomModel();
    const sequences = LENGTHS.filter((length) => length > 0).map(
      (length): SequenceInput => ({
        inputIds: Int32Array.from({ length }, (_, position) => 5 + ((position * 7 + length) % 90)),
        tokenTypeIds: Int32Array.from({ length }, (_, position) => position % 2),
        outputs: OUTPUTS,
        maskedPositions: Int32Array.from({ length }, (_, position) => position),
        answerMask: Uint8Array.from({ length }, (_, position) => (position % 3 === 1 ? 1 : 0)),
      }),
    );
    const serving = await OrtSession.create(encodeModel(buildServingGraph(model, { target: "cpu" })).bytes, {
      device: "cpu",
      threads: 1,
    });
    const batch = packBatch({ target: "cpu", heads: model.heads }, sequences);
    const expected = splitOutputs(model.heads, batch, await serving.run(batch.feeds));
    await serving.dispose();

    const exported = await OrtSession.create(encodeModel(buildExportGraph(model, "cpu")).bytes, {
      device: "cpu",
      threads: 1,
    });
    expect(exported.inputNames).toEqual(["input_ids", "attention_mask", "token_type_ids", "answer_mask"]);
    const outputs = await exported.run({
      input_ids: padded(sequences, ({ inputIds }) => inputIds, 3),
      attention_mask: padded(sequences, ({ inputIds }) => inputIds.slice().fill(1), 0),
      token_type_ids: padded(sequences, ({ tokenTypeIds }) => tokenTypeIds, 1),
      answer_mask: padded(sequences, ({ answerMask }) => answerMask!, 1),
    });
    await exported.dispose();

    const row = (name: string, text: number, take?: number) => {
      const { data, dims } = outputs[name]!;
      const size = data.length / dims[0]!;
      const values = Array.from(data as Float32Array).slice(text * size, (text + 1) * size);
      return take === undefined ? values : values.slice(0, (take * size) / dims[1]!);
    };
    sequences.forEach(({ inputIds }, text) => {
      const T = inputIds.length;
      const wanted = expected[text]!;
      const close = (actual: readonly number[], values: ArrayLike<number>, what: string) =>
        expectClose(actual, values, { absolute: 1e-5 }, `${what} of text ${text}`);
      close(row("last_hidden_state", text, T), wanted.get("@sequence")!["values"]!, "last_hidden_state");
      close(row("pooler_output", text), wanted.get("@pooled")!["values"]!, "pooler_output");
      for (const head of ["sentiment", "score", "choice", "order"]) {
        close(row(`${head}_logits`, text), wanted.get(head)!["logits"]!, head);
      }
      close(row("fill_logits", text, T), wanted.get("fill")!["logits"]!, "fill");
      close(row("span_start_logits", text, T), wanted.get("span")!["startLogits"]!, "start_logits");
      close(row("span_end_logits", text, T), wanted.get("span")!["endLogits"]!, "end_logits");
      expect(row("span_end_logits", text).slice(T)).toEqual(Array.from({ length: WIDTH - T }, () => -10_000));
      const answer = wanted.get("answer")!;
      close(row("answer_start_top_log_probs", text), answer["startLogProbs"]!, "start_top_log_probs");
      close(row("answer_end_top_log_probs", text), answer["endLogProbs"]!, "end_top_log_probs");
      close(row("answer_cls_logits", text), answer["answerabilityLogit"]!, "cls_logits");
      if (T >= 5) expect(row("answer_end_top_index", text)).toEqual([...answer["endIndexes"]!]);
    });
  });

  it("with one head names its outputs plainly", async () => {
    const model = randomModel({ heads: [{ kind: "span", name: "anything" }] });
    const session = await OrtSession.create(encodeModel(buildExportGraph(model, "cpu")).bytes, {
      device: "cpu",
      threads: 1,
    });
    expect(session.inputNames).toEqual(["input_ids", "attention_mask", "token_type_ids"]);
    expect(session.outputNames).toEqual(["last_hidden_state", "pooler_output", "start_logits", "end_logits"]);
    await session.dispose();
  });
});

it("an exported model for CUDA is valid up to the one operator that only CUDA has", async () => {
  const bytes = encodeModel(buildExportGraph(randomModel(), "cuda")).bytes;
  const create = OrtSession.create(bytes, { device: "cpu", threads: 1 });
  await expect(create).rejects.toThrow("Could not find an implementation for PackedMultiHeadAttention");
});

/** One int64 [texts, WIDTH] input; texts of `LENGTHS` that are empty are nothing but padding. */
function padded(
  sequences: readonly SequenceInput[],
  values: (sequence: SequenceInput) => Int32Array | Uint8Array,
  filler: number,
): HostTensor {
  const data = new BigInt64Array(LENGTHS.length * WIDTH).fill(BigInt(filler));
  let next = 0;
  LENGTHS.forEach((length, text) => {
    if (length > 0) data.set(Array.from(values(sequences[next++]!), BigInt), text * WIDTH);
  });
  return { dtype: "int64", dims: [LENGTHS.length, WIDTH], data };
}
