import type { InferenceService } from "../../gen/albert/v1/inference_pb.js";
import type { ServiceHandlers } from "../call/call.ts";

/** The calls that answer one request each: what batches and streams are made of. */
export type InferenceCalls = Pick<
  ServiceHandlers<typeof InferenceService>,
  "classify" | "answerQuestion" | "chooseAnswer" | "encode" | "fillMask" | "tokenize" | "infer"
>;
