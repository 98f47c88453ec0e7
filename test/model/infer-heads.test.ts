import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/model/byte-source.ts";
import type { ArrayTensor } from "../../src/model/checkpoint-reader.ts";
import { type HeadHints, inferHeads } from "../../src/model/infer-heads.ts";
import { openSafetensors } from "../../src/model/safetensors.ts";
import { serializeSafetensors } from "../../src/model/safetensors-writer.ts";
import { tinyConfig } from "./tiny-model.ts";

/** Heads inferred from a file with these tensors beside the word embeddings. */
async function infer(shapes: Record<string, readonly number[]>, json: Record<string, unknown> = {}, hints?: HeadHints) {
  const embeddings = shapes["classifier.weight"]
    ? "albert.embeddings.word_embeddings.weight"
    : "bert/embeddings/word_embeddings";
  const tensors = new Map<string, ArrayTensor>(
    Object.entries({ [embeddings]: [9, 4], ...shapes }).map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
    ]),
  );
  const reader = await openSafetensors(bytesSource("m", serializeSafetensors(tensors)));
  return inferHeads(reader, tinyConfig(), json, hints);
}

describe("heads of a checkpoint without a manifest", () => {
  it("follow from Google's variables", async () => {
    const heads = await infer({
      "cls/predictions/transform/dense/kernel": [6, 4],
      "cls/seq_relationship/output_weights": [2, 6],
    });
    expect(heads.map(({ kind }) => kind)).toEqual(["masked-lm", "sentence-order"]);
    expect((await infer({ "cls/squad/output_weights": [2, 6] })).map(({ kind }) => kind)).toEqual(["span"]);
    expect((await infer({ "start_logits/dense/kernel": [6, 1] })).map(({ kind }) => kind)).toEqual([
      "span-answerability",
    ]);
    expect(await infer({ output_weights: [3, 6] })).toEqual([
      {
        kind: "classification",
        name: "classification",
        problemType: "single-label",
        labels: ["LABEL_0", "LABEL_1", "LABEL_2"],
      },
    ]);
    expect(await infer({})).toEqual([]);
  });

  it("need a hint where one output row could be two things", async () => {
    await expect(infer({ output_weights: [1, 6] })).rejects.toThrow("--head regression or --head multiple-choice");
    expect(await infer({ output_weights: [1, 6] }, {}, { choices: ["multiple-choice"] })).toEqual([
      { kind: "multiple-choice", name: "multiple-choice" },
    ]);
    expect(
      await infer({ output_weights: [1, 6] }, {}, { choices: ["regression"], labels: ["similarity"] }),
    ).toMatchObject([{ problemType: "regression", labels: ["similarity"] }]);
  });

  it("follow from Hugging Face's configuration, its labels and problem type", async () => {
    const json = {
      architectures: ["AlbertForSequenceClassification"],
      id2label: { 1: "yes", 0: "no" },
      problem_type: "multi_label_classification",
    };
    expect(await infer({ "classifier.weight": [2, 6] }, json)).toEqual([
      { kind: "classification", name: "classification", problemType: "multi-label", labels: ["no", "yes"] },
    ]);
    const one = { architectures: ["AlbertForSequenceClassification"] };
    expect(await infer({ "classifier.weight": [1, 6] }, one)).toMatchObject([{ problemType: "regression" }]);
    expect(await infer({ "classifier.weight": [1, 6] }, { architectures: ["AlbertForMultipleChoice"] })).toEqual([
      { kind: "multiple-choice", name: "multiple-choice" },
    ]);
  });

  it("ignore an id2label of another size, which Hugging Face writes by default", async () => {
    const json = { architectures: ["AlbertForSequenceClassification"], id2label: { 0: "LABEL_0", 1: "LABEL_1" } };
    expect(await infer({ "classifier.weight": [3, 6] }, json)).toMatchObject([
      { labels: ["LABEL_0", "LABEL_1", "LABEL_2"] },
    ]);
  });

  it.each([
    [{ architectures: ["AlbertForTokenClassification"] }, {}, /is not one of AlbertModel/],
    [{}, { labels: ["a"] }, /1 labels for 3 output rows/],
    [{}, { labels: ["a", "b", "a"] }, /given twice/],
    [{}, { choices: ["masked-lm"], labels: ["a"] }, /no classification head/],
    [{}, { choices: ["classification", "regression"] }, /.*/],
    [{ id2label: { 0: "a", 2: "b", 3: "c" } }, {}, /a name for each id from 0 to 2/],
  ] as const)("are refused for %j and %j", async (json, hints, message) => {
    await expect(infer({ "classifier.weight": [3, 6] }, json, hints as HeadHints)).rejects.toThrow(message);
  });
});
