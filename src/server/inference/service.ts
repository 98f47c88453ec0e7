import { performance } from "node:perf_hooks";
import { invalidInput } from "../../errors.ts";
import type { BatchInferRequest, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import type { Serving } from "../../serving/serving.ts";
import type { CallContext, ServiceHandlers } from "../call/call.ts";
import type { IncidentLog } from "../errors/status.ts";
import { answerQuestion } from "./answer-question.ts";
import { answerRequest } from "./answer-request.ts";
import type { InferenceCalls } from "./calls.ts";
import { chooseAnswer } from "./choose-answer.ts";
import { classify } from "./classify.ts";
import { encode } from "./encode.ts";
import { fillMask } from "./fill-mask.ts";
import { infer } from "./infer.ts";
import { answerItem } from "./items.ts";
import { findModel, listModels, modelInfo, type PublishedLimits } from "./models.ts";
import { awaitTurn } from "./pacing.ts";
import { modelSelector } from "./request-options.ts";
import { streamInfer } from "./stream.ts";
import { tokenize } from "./tokenize.ts";

export interface InferenceServiceOptions {
  readonly serving: Serving;
  readonly limits: PublishedLimits & {
    /** Items of one stream in hand at a time. */
    readonly streamWindow: number;
  };
  /** Predicted wait from which the queue refuses. */
  readonly maxQueueMs: number;
  readonly logIncident: IncidentLog;
}

/** The public service: every call of `albert.v1.InferenceService`. */
export function inferenceService(options: InferenceServiceOptions): ServiceHandlers<typeof InferenceService> {
  const { serving, maxQueueMs, logIncident } = options;
  const { models: live, scheduler } = serving;
  const { maxChars, maxWindows, maxChoices, maxBatchItems, streamWindow } = options.limits;
  const limits = { maxCharacters: maxChars, maxWindows, maxChoices };
  const calls: InferenceCalls = {
    classify: (request, context) => answerRequest(serving, limits, classify, request, context),
    answerQuestion: (request, context) => answerRequest(serving, limits, answerQuestion, request, context),
    chooseAnswer: (request, context) => answerRequest(serving, limits, chooseAnswer, request, context),
    encode: (request, context) => answerRequest(serving, limits, encode, request, context),
    fillMask: (request, context) => answerRequest(serving, limits, fillMask, request, context),
    tokenize: async (request, context) => tokenize(serving, limits, request, context),
    infer: (request, context) => answerRequest(serving, limits, infer, request, context),
  };
  return {
    ...calls,
    batchInfer: async ({ items }: BatchInferRequest, context: CallContext) => {
      if (items.length < 1 || items.length > maxBatchItems) {
        throw invalidInput([
          { field: "items", description: `must hold 1 to ${maxBatchItems} items, got ${items.length}` },
        ]);
      }
      const results: ReturnType<typeof answerItem>[] = [];
      for (const item of items) {
        await awaitTurn(scheduler, maxQueueMs, context.signal);
        results.push(answerItem(item, calls, context, logIncident));
      }
      const outcomes = await Promise.all(results);
      context.signal.throwIfAborted();
      return { results: outcomes };
    },
    streamInfer: (requests, context) =>
      streamInfer(requests, context, {
        window: streamWindow,
        turn: () => awaitTurn(scheduler, maxQueueMs, context.signal),
        answer: (item) => answerItem(item, calls, itemContext(context), logIncident),
      }),
    listModels: async () => ({ models: listModels(live).map((served) => modelInfo(served, options.limits)) }),
    getModel: async ({ model, pin }) => ({
      model: modelInfo(findModel(live, modelSelector(model, pin)), options.limits),
    }),
  };
}

/** An item's clock starts when the item arrives, not when its stream was opened; its facts are not the stream's. */
function itemContext(stream: CallContext): CallContext {
  const { method, requestId, deadlineAt, signal, draining, peer } = stream;
  const receivedAt = performance.now();
  const header = (name: string) => stream.header(name);
  return { method, requestId, receivedAt, deadlineAt, signal, draining, peer, header, annotate: () => {} };
}
