import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import type { RequestOptions, ResponseMetaSchema } from "../../gen/albert/v1/inference_pb.js";
import type { AnswerRequest, ServedMeta } from "../../serving/answer.ts";
import type { Serving } from "../../serving/serving.ts";
import type { RunOptions, TaskLimits } from "../../tasks/plan.ts";
import type { TaskKind, Tasks } from "../../tasks/task-request.ts";
import type { CallContext } from "../call/call.ts";
import { EnumFields, readOptions } from "./request-fields.ts";

// What the calls that answer one request have in common: each says how it reads its request and writes its reply, and
// `answerRequest` does the rest. It decides nothing about models, queues or texts; serving and tasks do.

/** Bounds that the server sets on one request. */
export interface RequestLimits extends TaskLimits {
  readonly maxChoices: number;
}

/** A request of any of the calls that answer one. */
export type InferenceRequestMessage = Message & { readonly options?: RequestOptions | undefined };

/** What reading a request may look at. */
export interface Reading {
  readonly limits: RequestLimits;
  /** The request's own options. */
  readonly run: RunOptions;
  /** Where violations of fields are collected that the task's input cannot hold. */
  readonly fields: EnumFields;
}

/**
 * One call that answers a request: how its message becomes a task's input, and the answer a reply. All else (choosing the
 * model, admission, planning, deadlines, timing, metrics) is the same for every call and lives in the serving room.
 */
export interface Operation<Request extends InferenceRequestMessage, K extends TaskKind, Reply> {
  readonly task: K;
  read(request: Request, reading: Reading): Tasks[K]["input"];
  /** The reply without its `meta`. */
  reply(answer: Tasks[K]["answer"], request: Request): Reply;
}

/** Fields of `ResponseMeta`. */
export type MetaFields = MessageInitShape<typeof ResponseMetaSchema>;

/**
 * Answers one request of any kind, however it arrived.
 *
 * @throws AlbertError as in docs/errors.md
 */
export async function answerRequest<Request extends InferenceRequestMessage, K extends TaskKind, Reply extends object>(
  serving: Serving,
  limits: RequestLimits,
  operation: Operation<Request, K, Reply>,
  request: Request,
  context: CallContext,
): Promise<Reply & { readonly meta: MetaFields }> {
  const { task, read, reply } = operation;
  const fields = new EnumFields();
  const { selector, routingKey, priority, run } = readOptions(request.options, fields);
  const input = read(request, { limits, run, fields });
  const { violations } = fields;
  const asked = { task, input, violations, limits, model: selector, priority, routingKey };
  const { answer, meta } = await answerTask<K>(serving, asked, context);
  return { ...reply(answer, request), meta };
}

/**
 * Answers one task for a call: under its deadline, in its trace, at its caller's expense.
 *
 * @param asked  `receivedAt` for a call that did something else before
 * @throws AlbertError as in docs/errors.md
 */
export async function answerTask<K extends TaskKind>(
  serving: Serving,
  asked: Omit<AnswerRequest<K>, "deadlineAt" | "signal" | "trace">,
  context: CallContext,
): Promise<{ readonly answer: Tasks[K]["answer"]; readonly meta: MetaFields }> {
  const { receivedAt, deadlineAt, trace } = context;
  const signal = context.cancellation ?? context.signal;
  const { answer, meta } = await serving.answer<K>({ receivedAt, ...asked, deadlineAt, signal, trace });
  if (!meta.cached) context.allowance?.spend("tokens", meta.tokens); // limits are about what is computed
  context.annotate({ ...meta.timings });
  context.annotate({ model: meta.model, version: meta.version });
  return { answer, meta: metaFields(meta, context) };
}

function metaFields(meta: ServedMeta, { requestId }: CallContext): MetaFields {
  return {
    model: meta.model,
    version: meta.version,
    digest: meta.digest,
    tokenizerDigest: meta.tokenizerDigest,
    device: meta.device,
    head: meta.head.startsWith("@") ? "" : meta.head, // the trunk's own outputs are no heads
    tokens: meta.tokens,
    paddedTokens: Math.round(meta.paddedTokens),
    windows: meta.windows,
    truncated: meta.truncated,
    batchSize: meta.batchSize,
    timings: meta.timings,
    cached: meta.cached,
    requestId,
  };
}
