import { performance } from "node:perf_hooks";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenizeRequest, TokenizeResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Serving } from "../../serving/serving.ts";
import { tokenizeRequest } from "../../tasks/text-request.ts";
import type { CallContext } from "../call/call.ts";
import type { RequestLimits } from "./handler.ts";
import { tokenFields } from "./reply-fields.ts";
import { EnumFields, omitUndefined, readOffsetUnit, readOptions } from "./request-fields.ts";

/**
 * Cuts a text into pieces. Needs no device and therefore no place in the queue: it is over before another call begins.
 *
 * @throws AlbertError as in docs/errors.md
 */
export function tokenize(
  serving: Serving,
  limits: RequestLimits,
  request: TokenizeRequest,
  context: CallContext,
): MessageInitShape<typeof TokenizeResponseSchema> {
  const fields = new EnumFields();
  const { selector, run } = readOptions(request.options, fields);
  const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
  const reference = serving.models.acquire(selector);
  try {
    const { version } = reference;
    const { text, textPair } = request;
    const asked = { ...run, text, offsetUnit, ...omitUndefined({ textPair }) };
    const startedAt = performance.now();
    const { tokens, maxTokens, fits } = fields.joined(() => tokenizeRequest(asked, version.task, limits));
    const endedAt = performance.now();
    const timings = {
      receiveMs: startedAt - context.receivedAt,
      tokenizeMs: endedAt - startedAt,
      totalMs: endedAt - context.receivedAt,
    };
    const meta = {
      model: version.name,
      version: version.version,
      digest: version.digest,
      tokenizerDigest: version.tokenizerDigest,
      device: version.engine.device,
      tokens: tokens.length,
      windows: 1,
      timings,
      requestId: context.requestId,
    };
    const predictedRunMs = version.queue.predictMs([Math.min(tokens.length, maxTokens)]);
    return { meta, tokens: tokens.map(tokenFields), maxTokens, fits, predictedRunMs };
  } finally {
    reference.release();
  }
}
