import { performance } from "node:perf_hooks";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type TokenizeRequest, type TokenizeResponseSchema, TokenSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Serving } from "../../serving/serving.ts";
import { subjectOf } from "../../tasks/task-request.ts";
import type { CallContext } from "../call/call.ts";
import type { RequestLimits } from "./handler.ts";
import { tokenFields } from "./reply-fields.ts";
import { EnumFields, omitUndefined, readOffsetUnit, readOptions } from "./request-fields.ts";

/**
 * Cuts a text into pieces. Needs no device and therefore no place in the queue.
 *
 * @throws AlbertError as in docs/errors.md
 */
export async function tokenize(
  serving: Serving,
  limits: RequestLimits,
  request: TokenizeRequest,
  { receivedAt, deadlineAt, signal, requestId, allowance }: CallContext,
): Promise<MessageInitShape<typeof TokenizeResponseSchema>> {
  const fields = new EnumFields();
  const { selector, routingKey, run } = readOptions(request.options, fields);
  const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
  const reference = serving.models.acquire({ ...selector, key: () => routingKey ?? subjectOf(request) });
  try {
    const { version } = reference;
    const { text, textPair, pageStart, pageSize } = request;
    const asked = { ...run, text, offsetUnit, ...omitUndefined({ textPair }) };
    const page = { start: pageStart, ...omitUndefined({ size: pageSize }) };
    const startedAt = performance.now();
    const { tokens, count, maxTokens, fits } = await fields.joined(() =>
      serving.texts.tokenize(asked, { version, limits, page }, { deadlineAt, signal }, (token) =>
        create(TokenSchema, tokenFields(token)),
      ),
    );
    allowance?.spend("tokens", count);
    const endedAt = performance.now();
    const timings = {
      receiveMs: startedAt - receivedAt,
      tokenizeMs: endedAt - startedAt,
      totalMs: endedAt - receivedAt,
    };
    const meta = {
      model: version.name,
      version: version.version,
      digest: version.digest,
      tokenizerDigest: version.tokenizerDigest,
      device: version.engine.device,
      tokens: count,
      windows: 1,
      timings,
      requestId,
    };
    const predictedRunMs = version.queue.predictMs([Math.min(count, maxTokens)]);
    return { meta, tokens, maxTokens, fits, predictedRunMs, tokenCount: count };
  } finally {
    reference.release();
  }
}
