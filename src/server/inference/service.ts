import type { InferenceService, InferItem } from "../../gen/albert/v1/inference_pb.js";
import type { Serving } from "../../serving/serving.ts";
import type { CallContext, ServiceHandlers } from "../call/call.ts";
import { itemContext } from "../call/item-context.ts";
import type { IncidentLog } from "../errors/status.ts";
import { answerQuestion } from "./answer-question.ts";
import { batchInfer } from "./batch.ts";
import { chooseAnswer } from "./choose-answer.ts";
import { classify } from "./classify.ts";
import { encode } from "./encode.ts";
import { fillMask } from "./fill-mask.ts";
import { answerRequest } from "./handler.ts";
import { infer } from "./infer.ts";
import { answerItem, backpressure, type InferenceCalls, itemTurn } from "./items.ts";
import {
  absentModelInfo,
  absentModels,
  findModel,
  modelInfo,
  type PublishedLimits,
  type ServedModel,
  type ServedPrecision,
  servedModels,
} from "./models.ts";
import { modelSelector } from "./request-fields.ts";
import { streamInfer } from "./stream.ts";
import { tokenize } from "./tokenize.ts";

// The handlers of `albert.v1.InferenceService`, one row for each call.

export interface InferenceServiceOptions {
  readonly serving: Serving;
  readonly limits: PublishedLimits & {
    /** Items of one stream in hand at a time. */
    readonly streamWindow: number;
  };
  readonly precision: ServedPrecision;
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
    tokenize: (request, context) => tokenize(serving, limits, request, context),
    infer: (request, context) => answerRequest(serving, limits, infer, request, context),
  };
  /** How the items of one batch or stream are answered; an item of a stream has a context of its own. */
  const itemsOf = (context: CallContext, contextOf: (whole: CallContext) => CallContext = (whole) => whole) => ({
    backpressure: () => backpressure(scheduler, maxQueueMs, context.signal),
    answer: (item: InferItem) => answerItem(item, calls, contextOf(context), logIncident),
  });
  const infoOf = (served: ServedModel) => modelInfo(served, options.limits, options.precision);
  return {
    ...calls,
    batchInfer: (request, context) => {
      context.allowance?.spend("requests", request.items.length - 1);
      return batchInfer(request, context, { maxItems: maxBatchItems, ...itemsOf(context) });
    },
    streamInfer: (requests, context) => {
      const { backpressure: room, answer } = itemsOf(context, itemContext);
      const turn = () => itemTurn(context, room);
      return streamInfer(requests, context, { window: streamWindow, backpressure: turn, answer });
    },
    listModels: async () => {
      const absent = absentModels(live).map(absentModelInfo);
      const models = [...(await Promise.all(servedModels(live).map(infoOf))), ...absent];
      return { models: models.sort((a, b) => (a.name! < b.name! ? -1 : 1)) };
    },
    getModel: async ({ model, pin }) => ({ model: await infoOf(findModel(live, modelSelector(model, pin))) }),
  };
}
