import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenizeRequest, TokenizeResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { tokenizeRequest } from "../../tasks/text-request.ts";
import type { CallContext } from "../call.ts";
import { defined } from "./defined.ts";
import type { RequestLimits } from "./operation.ts";
import { tokenFields } from "./reply-parts.ts";
import { identity, type MetaFields, type RequestDesk } from "./request-desk.ts";
import { EnumFields, readOffsetUnit, readOptions } from "./request-options.ts";

/** Cuts a text into pieces; takes a place like any request, but no device. */
export function tokenize(
  desk: RequestDesk,
  limits: RequestLimits,
  request: TokenizeRequest,
  context: CallContext,
): Promise<MessageInitShape<typeof TokenizeResponseSchema>> {
  const fields = new EnumFields();
  const read = readOptions(request.options, fields);
  const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
  return desk.attend("tokenization", read, context, async ({ version }, stages) => {
    stages.begin("tokenize");
    const { text, textPair } = request;
    const asked = { ...read.run, text, offsetUnit, ...defined({ textPair }) };
    const { tokens, maxTokens, fits } = fields.joined(() => tokenizeRequest(asked, version.task, limits));
    stages.begin("post");
    const meta: MetaFields = { ...identity(version, context), tokens: tokens.length, windows: 1 };
    const predictedRunMs = version.engine.predictMs([Math.min(tokens.length, maxTokens)]);
    return { meta, tokens: tokens.map(tokenFields), maxTokens, fits, predictedRunMs };
  });
}
