import { create } from "@bufbuild/protobuf";
import {
  EncodeRequestSchema,
  EncodeResponseSchema,
  FillMaskRequestSchema,
  FillMaskResponseSchema,
} from "../../gen/albert/v1/inference_pb.js";
import { omitUndefined } from "../inference/request-fields.ts";
import { readOffsetUnit, readPooling } from "./options.ts";
import type { TensorTask } from "./task.ts";

// Vectors and masked words, as tensors.

/** Offset of a mask that a row does not have. */
const NO_OFFSET = -1;

export const encode: TensorTask = {
  inputs: [{ name: "text" }, { name: "text_pair", optional: true }],
  outputs: [{ name: "embeddings", datatype: "FP32", rowShape: [-1] }],
  prepare: (options, parameters) => {
    const chosen = { pooling: readPooling(parameters), normalize: parameters.flag("normalize") };
    return async (row, calls, context) => {
      const pair = omitUndefined({ textPair: row.optionalText("text_pair") });
      const request = create(EncodeRequestSchema, { options, text: row.text("text"), ...pair, ...chosen });
      const { meta, embedding } = create(EncodeResponseSchema, await calls.encode(request, context));
      return { meta, values: { embeddings: embedding } };
    };
  },
};

export const fillMask: TensorTask = {
  inputs: [{ name: "text" }],
  outputs: [
    { name: "pieces", datatype: "BYTES", rowShape: [-1, -1] },
    { name: "probabilities", datatype: "FP32", rowShape: [-1, -1] },
    { name: "start_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "end_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "count", datatype: "INT32", rowShape: [] },
  ],
  prepare: (options, parameters) => {
    const chosen = { ...omitUndefined({ topK: parameters.count("top_k") }), offsetUnit: readOffsetUnit(parameters) };
    return async (row, calls, context) => {
      const request = create(FillMaskRequestSchema, { options, text: row.text("text"), ...chosen });
      const { meta, masks } = create(FillMaskResponseSchema, await calls.fillMask(request, context));
      const values = {
        pieces: masks.map(({ candidates }) => candidates.map(({ piece }) => piece)),
        probabilities: masks.map(({ candidates }) => candidates.map(({ score }) => score)),
        start_offsets: masks.map(({ start }) => start),
        end_offsets: masks.map(({ end }) => end),
        count: masks.length,
      };
      return { meta, values };
    };
  },
};
