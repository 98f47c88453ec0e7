import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ResponseMetaSchema } from "../../gen/albert/v1/inference_pb.js";
import type { ServedMeta, Serving } from "../../serving/serving.ts";
import type { CallContext } from "../call.ts";
import type { InferenceRequestMessage, Operation, RequestLimits } from "./operation.ts";
import { EnumFields, readOptions } from "./request-options.ts";

/** Fields of `ResponseMeta`. */
export type MetaFields = MessageInitShape<typeof ResponseMetaSchema>;

/**
 * Answers one request of any kind, however it arrived.
 *
 * @throws AlbertError as in docs/errors.md
 */
export async function answerRequest<Request extends InferenceRequestMessage, Answer, Reply extends object>(
  serving: Serving,
  limits: RequestLimits,
  operation: Operation<Request, Answer, Reply>,
  request: Request,
  context: CallContext,
): Promise<Reply & { readonly meta: MetaFields }> {
  const { task, heads, plan, reply, decide } = operation;
  // Read twice: a shadow version plans the same request again, and must find its violations by itself.
  const { selector, priority } = readOptions(request.options, new EnumFields());
  const { answer, meta } = await serving.serve<Answer>({
    task,
    model: heads === undefined ? selector : { ...selector, heads },
    priority,
    plan: (model) => {
      const fields = new EnumFields();
      const { run } = readOptions(request.options, fields);
      return plan(request, { model, limits, run, fields });
    },
    deadlineAt: context.deadlineAt,
    receivedAt: context.receivedAt,
    signal: context.signal,
    ...(decide === undefined ? {} : { decide }),
  });
  context.annotate({ model: meta.model, version: meta.version, ...meta.timings });
  return { ...reply(answer, request), meta: metaFields(meta, context) };
}

function metaFields({ prediction, head, paddedTokens, ...meta }: ServedMeta, { requestId }: CallContext): MetaFields {
  // The trunk's own outputs are no heads.
  const headName = head.startsWith("@") ? "" : head;
  return { ...meta, head: headName, paddedTokens: Math.round(paddedTokens), requestId };
}
