import { create } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import {
  EncodeRequestSchema,
  EncodeResponseSchema,
  FillMaskRequestSchema,
  FillMaskResponseSchema,
  Pooling,
} from "../../gen/albert/v1/inference_pb.js";
import { omitUndefined } from "../inference/request-fields.ts";
import { readOffsetUnit, readPooling } from "./options.ts";
import type { TensorTask } from "./task.ts";

// Vectors and masked words, as tensors.

/** Offset of a mask or token that a row does not have, and of special tokens. */
const NO_OFFSET = -1;
/** Values of all token vectors of a request, rows filled up to the longest: 16 MiB of FP32. */
const MOST_VALUES = 4_194_304;

/** With `pooling` none: a vector for each token, special tokens included. */
const encodeTokens: TensorTask = {
  inputs: [{ name: "text" }, { name: "text_pair", optional: true }],
  outputs: [
    { name: "token_embeddings", datatype: "FP32", rowShape: [-1, -1] },
    { name: "tokens", datatype: "BYTES", rowShape: [-1] },
    { name: "segments", datatype: "INT32", rowShape: [-1] },
    { name: "start_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "end_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "count", datatype: "INT32", rowShape: [] },
  ],
  prepare: (options, parameters) => {
    const chosen = { pooling: readPooling(parameters), returnTokens: true, offsetUnit: readOffsetUnit(parameters) };
    let [rows, longest] = [0, 0];
    return async (row, calls, context) => {
      const pair = omitUndefined({ textPair: row.optionalText("text_pair") });
      const request = create(EncodeRequestSchema, { options, text: row.text("text"), ...pair, ...chosen });
      const { meta, tokens } = create(EncodeResponseSchema, await calls.encode(request, context));
      rows += 1;
      longest = Math.max(longest, tokens.length);
      if (rows * longest * (tokens[0]?.values.length ?? 0) > MOST_VALUES) {
        const description = `would be answered by more than ${MOST_VALUES} values: send fewer rows, or shorter ones apart`;
        throw invalidInput([{ field: "inputs", description }]);
      }
      const values = {
        token_embeddings: tokens.map((token) => token.values),
        tokens: tokens.map(({ token }) => token?.piece ?? ""),
        segments: tokens.map(({ token }) => token?.segment ?? 0),
        start_offsets: tokens.map(({ token }) => offsetOf(token?.special, token?.start)),
        end_offsets: tokens.map(({ token }) => offsetOf(token?.special, token?.end)),
        count: tokens.length,
      };
      return { meta, values };
    };
  },
};

function offsetOf(special: boolean | undefined, offset: number | undefined): number {
  return special === true ? NO_OFFSET : (offset ?? NO_OFFSET);
}

export const encode: TensorTask = {
  inputs: [{ name: "text" }, { name: "text_pair", optional: true }],
  outputs: [{ name: "embeddings", datatype: "FP32", rowShape: [-1] }],
  variant: (parameters) => (readPooling(parameters) === Pooling.NONE ? encodeTokens : encode),
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
