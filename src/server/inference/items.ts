import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import { type InferItem, type InferItemResultSchema, InferItemSchema } from "../../gen/albert/v1/inference_pb.js";
import type { CallContext } from "../call/call.ts";
import { type IncidentLog, toAlbertError, toWireError } from "../errors/status.ts";
import type { InferenceCalls } from "./calls.ts";

type Result = MessageInitShape<typeof InferItemResultSchema>;

/**
 * Answers one item of a batch or stream exactly as the call of that kind would, and turns its failure into the status
 * which that call would have ended with. Never rejects: nobody may be listening
 * any more when the whole call has ended.
 */
export async function answerItem(
  item: InferItem,
  calls: InferenceCalls,
  context: CallContext,
  logIncident: IncidentLog,
): Promise<Result> {
  const { correlationId } = item;
  try {
    return { correlationId, outcome: await outcomeOf(item, calls, context) };
  } catch (error) {
    const { status } = toWireError(toAlbertError(error, logIncident));
    return { correlationId, outcome: { case: "error", value: status } };
  }
}

async function outcomeOf(
  item: InferItem,
  calls: InferenceCalls,
  context: CallContext,
): Promise<NonNullable<Result["outcome"]>> {
  const { request } = item;
  switch (request.case) {
    case "classify":
      return { case: "classify", value: await calls.classify(request.value, context) };
    case "answerQuestion":
      return { case: "answerQuestion", value: await calls.answerQuestion(request.value, context) };
    case "chooseAnswer":
      return { case: "chooseAnswer", value: await calls.chooseAnswer(request.value, context) };
    case "encode":
      return { case: "encode", value: await calls.encode(request.value, context) };
    case "fillMask":
      return { case: "fillMask", value: await calls.fillMask(request.value, context) };
    case "tokenize":
      return { case: "tokenize", value: await calls.tokenize(request.value, context) };
    case "infer":
      return { case: "infer", value: await calls.infer(request.value, context) };
    case undefined:
      throw emptyItem();
  }
}

function emptyItem(): Error {
  const kinds = InferItemSchema.oneofs[0]!.fields.map(({ name }) => name).join(", ");
  return invalidInput([{ field: "request", description: `must be one of ${kinds}` }]);
}
