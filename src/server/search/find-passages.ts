import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RequestOptions } from "../../gen/albert/v1/inference_pb.js";
import type { FindPassagesRequest, FindPassagesResponseSchema } from "../../gen/albert/v1/search_pb.js";
import { citedPassage, MAX_PASSAGES } from "../../search/answers/ask.ts";
import { refuseIfAny } from "../../tasks/plan.ts";
import { RequestChecks } from "../../tasks/request-checks.ts";
import type { CallContext } from "../call/call.ts";
import { EnumFields, readOffsetUnit, readOptions } from "../inference/request-fields.ts";
import { passageFields } from "./citations.ts";
import { nearestPassages, type SearchParts } from "./nearest-passages.ts";

/** Passages that are returned unless the caller wants others. */
const USUAL_PASSAGES = 5;

/**
 * The RPC `FindPassages`.
 *
 * @throws AlbertError as in docs/errors.md
 */
export async function findPassages(
  parts: SearchParts,
  request: FindPassagesRequest,
  context: CallContext,
): Promise<MessageInitShape<typeof FindPassagesResponseSchema>> {
  const fields = new EnumFields();
  const { priority, run } = readOptions(request.options, fields);
  const unit = readOffsetUnit(request.offsetUnit, fields);
  const checks = new RequestChecks(parts.limits);
  refuseModelOptions(checks, request.options);
  checks.text("query", request.query);
  const count = checks.integer("top_k", request.topK, USUAL_PASSAGES, 1, MAX_PASSAGES);
  const least = checks.number("min_similarity", request.minSimilarity, -1, -1, 1);
  refuseIfAny([...fields.violations, ...checks.violations]);
  const { index, query: text } = request;
  const truncation = run.truncation ?? "error";
  const found = await nearestPassages(parts, { index, text, count, priority, truncation }, context);
  const { passages, meta, searchMs, indexDigest } = found;
  const near =
    request.minSimilarity === undefined ? passages : passages.filter(({ similarity }) => similarity >= least);
  return {
    ...{ meta, searchMs, indexDigest },
    passages: near.map((passage) => passageFields(citedPassage(passage, unit))),
  };
}

/** Options that choose or change a model mean nothing where the index has chosen it. */
function refuseModelOptions(checks: RequestChecks, options: RequestOptions | undefined): void {
  const given = {
    model: options?.model,
    [options?.pin.case ?? "version"]: options?.pin.value,
    head: options?.head,
    max_tokens: options?.maxTokens,
  };
  for (const [field, value] of Object.entries(given)) {
    if (value) checks.refuse(`options.${field}`, "must be empty: the index decides which model encodes the query");
  }
}
