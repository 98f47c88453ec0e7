import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ResponseMetaSchema } from "../../gen/albert/v1/inference_pb.js";
import type { ServedMeta } from "../../serving/answer.ts";
import type { Serving } from "../../serving/serving.ts";
import type { TaskKind } from "../../tasks/task-request.ts";
import type { CallContext } from "../call/call.ts";
import type { InferenceRequestMessage, Operation, RequestLimits } from "./operation.ts";
import { EnumFields, readOptions } from "./request-options.ts";

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
  const { selector, priority, run } = readOptions(request.options, fields);
  const input = read(request, { limits, run, fields });
  const { answer, meta } = await serving.answer<K>({
    task,
    input,
    violations: fields.violations,
    limits,
    model: selector,
    priority,
    deadlineAt: context.deadlineAt,
    receivedAt: context.receivedAt,
    signal: context.signal,
  });
  context.annotate({ model: meta.model, version: meta.version, ...meta.timings });
  return { ...reply(answer, request), meta: metaFields(meta, context) };
}

function metaFields({ prediction, head, paddedTokens, ...meta }: ServedMeta, { requestId }: CallContext): MetaFields {
  // The trunk's own outputs are no heads.
  const headName = head.startsWith("@") ? "" : head;
  return { ...meta, head: headName, paddedTokens: Math.round(paddedTokens), requestId };
}
