import { Code, ConnectError } from "@connectrpc/connect";
import { useState } from "preact/hooks";
import { inference } from "../api.ts";
import { usePolling } from "./use-call.ts";

const INTERVAL_MS = 5_000;

type Status =
  | { readonly kind: "asking" }
  | { readonly kind: "serving"; readonly models: number }
  | { readonly kind: "training" }
  | { readonly kind: "silent" };

/** Whether the server answers, at a glance from every view. */
export function ServerStatus() {
  const [status, setStatus] = useState<Status>({ kind: "asking" });
  usePolling(async () => {
    try {
      const { models } = await inference.listModels({}, { timeoutMs: INTERVAL_MS });
      setStatus({ kind: "serving", models: models.length });
    } catch (error) {
      // A server that only trains has no inference service.
      setStatus({ kind: ConnectError.from(error).code === Code.Unimplemented ? "training" : "silent" });
    }
  }, INTERVAL_MS);
  return (
    <p class={`server ${status.kind}`} role="status">
      <span class="dot" aria-hidden="true" />
      {sentence(status)}
    </p>
  );
}

function sentence(status: Status): string {
  switch (status.kind) {
    case "asking":
      return "Connecting";
    case "serving":
      return `Serving ${status.models} ${status.models === 1 ? "model" : "models"}`;
    case "training":
      return "Training only";
    case "silent":
      return "No answer";
  }
}
