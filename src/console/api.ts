import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { InferenceService } from "../gen/albert/v1/inference_pb.js";
import { ModelService } from "../gen/albert/v1/models_pb.js";
import { SearchService } from "../gen/albert/v1/search_pb.js";
import { DatasetService, TrainingService } from "../gen/albert/v1/training_pb.js";
import { BadRequestSchema } from "../gen/google/rpc/error_details_pb.js";
import { SIGNED_OUT } from "./session.ts";

// The clients through which the console calls its server. No view opens a connection of its own.

/** The same services that gRPC clients call, over Connect on the page's own origin. */
const transport = createConnectTransport({
  baseUrl: window.location.origin,
  interceptors: [
    (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        if (ConnectError.from(error).code === Code.Unauthenticated) window.dispatchEvent(new Event(SIGNED_OUT));
        throw error;
      }
    },
  ],
});

export const inference = createClient(InferenceService, transport);
export const search = createClient(SearchService, transport);
export const models = createClient(ModelService, transport);
export const training = createClient(TrainingService, transport);
export const datasets = createClient(DatasetService, transport);

const NOT_OFFERED =
  "This server does not offer that. Versions and jobs need a store (albert serve --store DIR); answers need the role all or inference.";

/** What a person reads when a call fails: the server's sentence, or each field it refused. */
export function explain(error: unknown): string[] {
  const failure = ConnectError.from(error);
  if (failure.code === Code.Canceled) return [];
  const fields = failure.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  if (fields.length > 0) return fields.map((violation) => `${violation.field}: ${violation.description}`);
  // What `fetch` throws when nothing listens any more.
  if (failure.cause instanceof TypeError) return ["The server does not answer. Is it still running?"];
  if (failure.code === Code.Unimplemented) return [NOT_OFFERED];
  return [failure.rawMessage || `The call failed (${Code[failure.code]}).`];
}
