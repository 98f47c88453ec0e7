import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AskIndexRequest, AskIndexResponseSchema } from "../../gen/albert/v1/search_pb.js";
import { DEFAULT_PASSAGES, indexAnswer, MAX_PASSAGES, readingRequest } from "../../search/answers/ask.ts";
import { refuseIfAny } from "../../tasks/plan.ts";
import { RequestChecks } from "../../tasks/request-checks.ts";
import type { CallContext } from "../call/call.ts";
import { answerTask } from "../inference/handler.ts";
import { EnumFields, omitUndefined, readOffsetUnit, readOptions } from "../inference/request-fields.ts";
import { citationFields, passageFields } from "./citations.ts";
import { nearestPassages, type SearchParts } from "./nearest-passages.ts";

/** Answers at most: every passage may have all of them, and they are compared on the main thread. */
const MAX_ANSWERS = 20;

/**
 * The RPC `AskIndex`: passages are found, then read by a model that answers questions.
 *
 * @throws AlbertError as in docs/errors.md
 */
export async function askIndex(
  parts: SearchParts,
  request: AskIndexRequest,
  context: CallContext,
): Promise<MessageInitShape<typeof AskIndexResponseSchema>> {
  const { serving, limits } = parts;
  const { index, question, maxAnswerTokens, nullThreshold } = request;
  const fields = new EnumFields();
  const { selector, routingKey, priority, run } = readOptions(request.options, fields);
  const unit = readOffsetUnit(request.offsetUnit, fields);
  const checks = new RequestChecks(limits);
  checks.text("question", question);
  const count = checks.integer("top_k", request.topK, DEFAULT_PASSAGES, 1, MAX_PASSAGES);
  const best = checks.integer("n_best", request.nBest, 1, 1, MAX_ANSWERS);
  refuseIfAny([...fields.violations, ...checks.violations]);
  const truncation = run.truncation ?? "error";
  const found = await nearestPassages(parts, { index, text: question, count, priority, truncation }, context);
  const { passages, searchMs, indexDigest } = found;
  const { answer: read, meta } = await answerTask(
    serving,
    {
      task: "read_passages",
      input: {
        ...run,
        ...readingRequest({ question, passages, best }),
        ...omitUndefined({ maxAnswerTokens, nullThreshold }),
      },
      // The texts are not the caller's.
      limits: { ...limits, maxCharacters: Number.POSITIVE_INFINITY },
      model: selector,
      ...(routingKey === undefined ? {} : { routingKey }),
      priority,
      receivedAt: performance.now(),
    },
    context,
  );
  const answer = indexAnswer(read, { passages, best, unit });
  return {
    ...{ meta, questionMeta: found.meta, searchMs, indexDigest, answerable: answer.answerable },
    answers: answer.answers.map((one) => ({
      ...{ place: citationFields(one), text: one.text, score: one.probability, passage: one.passage },
    })),
    passages: answer.passages.map(passageFields),
  };
}
