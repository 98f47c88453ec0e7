import { describe, expect, it } from "vitest";
import type { ArrayTensor } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { type HeadHints, inferHeads } from "../../../src/model/checkpoint/infer-heads.ts";
import { bytesSource } from "../../../src/model/formats/random-access-file.ts";
import { openSafetensors } from "../../../src/model/formats/safetensors.ts";
import { serializeSafetensors } from "../../../src/model/formats/safetensors-writer.ts";
import { tinyConfig } from "../../support/models/tiny-model.ts";

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

  const classifier = { architectures: ["AlbertForSequenceClassification"] };

  it.each([
    ["texts by id", { id2label: { 0: "a", 1: "b" } }, ["a", "b"]],
    ["a list", { id2label: ["a", "b"] }, ["a", "b"]],
    ["numbers", { id2label: { 0: 3, 1: 5 }, label2id: { 3: 0, 5: 1 } }, ["3", "5"]],
    ["ids as texts", { id2label: { 1: "b", 0: "a" }, label2id: { b: "1", a: "0" }, num_labels: "2" }, ["a", "b"]],
    ["ids by name alone", { label2id: { b: 1, a: 0 } }, ["a", "b"]],
    ["a number of labels alone", { num_labels: 2 }, ["LABEL_0", "LABEL_1"]],
    ["nothing", {}, ["LABEL_0", "LABEL_1"]],
    ["null", { id2label: null, label2id: null, num_labels: null }, ["LABEL_0", "LABEL_1"]],
  ])("have labels from %s", async (_, json, labels) => {
    expect(await infer({ "classifier.weight": [2, 6] }, { ...classifier, ...json })).toMatchObject([{ labels }]);
  });

  it.each([
    ["more names than rows", { id2label: { 0: "a", 1: "b", 2: "c" } }],
    ["fewer names than rows", { id2label: { 0: "a" } }],
    ["names that differ", { id2label: { 0: "a", 1: "b" }, label2id: { a: 1, b: 0 } }],
    ["one map longer", { id2label: { 0: "a", 1: "b" }, label2id: { a: 0, b: 1, c: 2 } }],
    ["another number", { id2label: { 0: "a", 1: "b" }, num_labels: 3 }],
    ["only a number, of other size", { num_labels: 5 }],
  ])("are refused for %s, naming everything that speaks of labels", async (_, json) => {
    await expect(infer({ "classifier.weight": [2, 6] }, { ...classifier, ...json })).rejects.toThrow(
      /id2label .*label2id .*num_labels .*the classifier has 2 rows.*--labels/s,
    );
    expect(
      await infer({ "classifier.weight": [2, 6] }, { ...classifier, ...json }, { labels: ["x", "y"] }),
    ).toMatchObject([{ labels: ["x", "y"] }]);
  });

  it.each([
    [{ id2label: { 0: "a", x: "b" } }, /"x" is no id/],
    [{ id2label: { 0: "a", 1: null } }, /name of 1 is null/],
    [{ id2label: { 0: "a", 1: ["b"] } }, /name of 1 is \["b"\]/],
    [{ id2label: 7 }, /id2label: expected an object/],
    [{ label2id: { a: 0, b: 0 } }, /a and b have the same id 0/],
    [{ label2id: { a: 0, b: -1 } }, /id of b is -1/],
    [{ label2id: ["a", "b"] }, /label2id: expected an object/],
    [{ num_labels: 0 }, /num_labels: expected a positive integer, got 0/],
    [{ num_labels: 1.5 }, /num_labels: expected a positive integer, got 1.5/],
  ])("say what is wrong with %j", async (json, message) => {
    await expect(infer({ "classifier.weight": [2, 6] }, { ...classifier, ...json })).rejects.toThrow(message);
  });

  it.each([
    [{ architectures: ["AlbertForTokenClassification"] }, {}, /is not one of AlbertModel/],
    [{}, { labels: ["a"] }, /1 labels for 3 output rows/],
    [{}, { labels: ["a", "b", "a"] }, /given twice/],
    [{}, { choices: ["masked-lm"], labels: ["a"] }, /no classification head/],
    [{}, { choices: ["classification", "regression"] }, /.*/],
    [{ id2label: { 0: "a", 2: "b", 3: "c" } }, {}, /none is 1; expected each from 0 to 2/],
  ] as const)("are refused for %j and %j", async (json, hints, message) => {
    await expect(infer({ "classifier.weight": [3, 6] }, json, hints as HeadHints)).rejects.toThrow(message);
  });
});
