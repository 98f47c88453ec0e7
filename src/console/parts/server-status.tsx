import { Code, ConnectError } from "@connectrpc/connect";
import { useState } from "preact/hooks";
import { type ModelInfo, ModelStateSchema } from "../../gen/albert/v1/inference_pb.js";
import { inference } from "../api.ts";
import { usePolling } from "./calls/use-call.ts";
import { enumName } from "./words/enum-name.ts";

const INTERVAL_MS = 5_000;

type Status =
  | { readonly kind: "asking" }
  /** `absent`: names under which nothing answers, with why. */
  | { readonly kind: "serving"; readonly models: number; readonly absent: readonly string[] }
  | { readonly kind: "training" }
  | { readonly kind: "silent" };

/** Whether the server answers, at a glance from every view. */
export function ServerStatus() {
  const [status, setStatus] = useState<Status>({ kind: "asking" });
  usePolling(async () => {
    try {
      const { models } = await inference.listModels({}, { timeoutMs: INTERVAL_MS });
      const absent = models.filter(({ ready }) => !ready).map(absence);
      setStatus({ kind: "serving", models: models.length - absent.length, absent });
    } catch (error) {
      // A server that only trains has no inference service.
      setStatus({ kind: ConnectError.from(error).code === Code.Unimplemented ? "training" : "silent" });
    }
  }, INTERVAL_MS);
  return (
    <p
      class={`server ${status.kind}`}
      role="status"
      title={status.kind === "serving" ? status.absent.join("\n") : undefined}
    >
      <span class="dot" aria-hidden="true" />
      {sentence(status)}
    </p>
  );
}

function absence({ name, state, failure }: ModelInfo): string {
  return `${name}: ${failure === "" ? enumName(ModelStateSchema, state) : failure}`;
}

function sentence(status: Status): string {
  switch (status.kind) {
    case "asking":
      return "Connecting";
    case "serving": {
      if (status.absent.length > 0) return `Serving ${status.models} of ${status.models + status.absent.length}`;
      return `Serving ${status.models} ${status.models === 1 ? "model" : "models"}`;
    }
    case "training":
      return "Training only";
    case "silent":
      return "No answer";
  }
}
