import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  OffsetUnit,
  Pooling,
  Priority,
  type RequestOptionsSchema,
  TruncationPolicy,
} from "../../gen/albert/v1/inference_pb.js";
import { omitUndefined } from "../inference/request-fields.ts";
import type { Parameters } from "./parameters.ts";

// The parameters that every task knows, in the terms of our own contract.

/** The protocol's clients send numbers, of which 1 is the most urgent. */
const PRIORITIES = {
  interactive: Priority.INTERACTIVE,
  batch: Priority.BATCH,
  1: Priority.INTERACTIVE,
  2: Priority.BATCH,
};
const TRUNCATIONS = { error: TruncationPolicy.ERROR, truncate: TruncationPolicy.TRUNCATE };
const OFFSET_UNITS = {
  "utf-16": OffsetUnit.UTF16,
  "code-point": OffsetUnit.CODE_POINT,
  "utf-8": OffsetUnit.UTF8_BYTE,
};
const POOLINGS = { pooler: Pooling.POOLER, cls: Pooling.CLS, mean: Pooling.MEAN, none: Pooling.NONE };

/** Which model and version a request names. */
export interface NamedVersion {
  readonly model: string;
  /** Empty: the one the name points to. */
  readonly version: string;
}

export type OptionsInit = MessageInitShape<typeof RequestOptionsSchema>;

/** Triton's clients send it with every request: whether an answer that is the last may be empty. Here each request has one answer, with all of it. */
const EMPTY_FINAL_RESPONSE = "triton_enable_empty_final_response";

/** The options of every request; `head` is given where one was named. */
export function readRequestOptions({ model, version }: NamedVersion, parameters: Parameters): OptionsInit {
  parameters.flag(EMPTY_FINAL_RESPONSE);
  const head = parameters.text("head");
  const maxTokens = parameters.count("max_tokens");
  const routingKey = parameters.text("routing_key");
  return {
    model,
    ...(version === "" ? {} : { pin: { case: "version", value: version } as const }),
    ...omitUndefined({ head, maxTokens, routingKey }),
    priority: parameters.choice("priority", PRIORITIES) ?? Priority.UNSPECIFIED,
    truncation: parameters.choice("truncation", TRUNCATIONS) ?? TruncationPolicy.UNSPECIFIED,
  };
}

export function readOffsetUnit(parameters: Parameters): OffsetUnit {
  return parameters.choice("offset_unit", OFFSET_UNITS) ?? OffsetUnit.UNSPECIFIED;
}

export function readPooling(parameters: Parameters): Pooling {
  return parameters.choice("pooling", POOLINGS) ?? Pooling.UNSPECIFIED;
}
