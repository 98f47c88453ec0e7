import { create } from "@bufbuild/protobuf";
import {
  ClassifyRequestSchema,
  ClassifyResponseSchema,
  InferRequestSchema,
  InferResponseSchema,
} from "../../gen/albert/v1/inference_pb.js";
import { omitUndefined } from "../inference/request-fields.ts";
import type { TensorTask } from "./task.ts";

// The tasks of heads that score labels, as tensors.

export const classify: TensorTask = {
  inputs: [{ name: "text" }, { name: "text_pair", optional: true }],
  outputs: [
    { name: "labels", datatype: "BYTES", rowShape: [-1] },
    { name: "probabilities", datatype: "FP32", rowShape: [-1] },
    { name: "logits", datatype: "FP32", rowShape: [-1] },
    { name: "count", datatype: "INT32", rowShape: [] },
  ],
  prepare: (options, parameters) => {
    const chosen = omitUndefined({
      topK: parameters.count("top_k"),
      threshold: parameters.number("threshold"),
      candidateLabels: parameters.texts("candidate_labels"),
      hypothesisTemplate: parameters.text("hypothesis_template"),
    });
    const multiLabel = parameters.flag("multi_label");
    return async (row, calls, context) => {
      const pair = omitUndefined({ textPair: row.optionalText("text_pair") });
      const fields = { options, text: row.text("text"), ...pair, ...chosen, multiLabel, returnLogits: true };
      const reply = await calls.classify(create(ClassifyRequestSchema, fields), context);
      const { meta, labels } = create(ClassifyResponseSchema, reply);
      const values = {
        labels: labels.map(({ label }) => label),
        probabilities: labels.map(({ score }) => score),
        logits: labels.map(({ logit }) => logit ?? 0),
        count: labels.length,
      };
      return { meta, values };
    };
  },
};

export const regress: TensorTask = {
  inputs: classify.inputs,
  outputs: [{ name: "value", datatype: "FP32", rowShape: [] }],
  prepare: (options) => async (row, calls, context) => {
    const pair = omitUndefined({ textPair: row.optionalText("text_pair") });
    const request = create(ClassifyRequestSchema, { options, text: row.text("text"), ...pair });
    const { meta, value } = create(ClassifyResponseSchema, await calls.classify(request, context));
    return { meta, values: { value: value ?? 0 } };
  },
};

export const orderSentences: TensorTask = {
  inputs: [{ name: "text" }, { name: "text_pair" }],
  outputs: [
    { name: "in_order", datatype: "FP32", rowShape: [] },
    { name: "swapped", datatype: "FP32", rowShape: [] },
  ],
  prepare: (options) => {
    const heads = [{ head: options.head ?? "" }];
    return async (row, calls, context) => {
      const texts = { text: row.text("text"), textPair: row.text("text_pair") };
      const request = create(InferRequestSchema, { options: { ...options, head: "" }, ...texts, heads });
      const { meta, results } = create(InferResponseSchema, await calls.infer(request, context));
      const result = results[0]?.result;
      const { inOrder, swapped } = result?.case === "sentenceOrder" ? result.value : { inOrder: 0, swapped: 0 };
      return { meta, values: { in_order: inOrder, swapped } };
    };
  },
};
