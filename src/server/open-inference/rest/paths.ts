// The addresses of the protocol's REST form.

/** What a request asks for. */
export type RestTarget =
  | { readonly kind: "server-metadata" | "server-live" | "server-ready" | "repository-index" }
  | {
      readonly kind: "model-metadata" | "model-config" | "model-ready" | "model-infer";
      readonly model: string;
      /** Empty: the one the name points to. */
      readonly version: string;
    };

const FIXED: Readonly<Record<string, RestTarget>> = {
  "/v2": { kind: "server-metadata" },
  "/v2/health/live": { kind: "server-live" },
  "/v2/health/ready": { kind: "server-ready" },
  "/v2/repository/index": { kind: "repository-index" },
};

/** What may stand behind a model's path; nothing asks for its metadata. */
type Verb = "metadata" | "config" | "ready" | "infer";
const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(config|ready|infer))?$/;

/** Whether a path belongs to the protocol, known or not. */
export function isRestPath(path: string): boolean {
  return path === "/v2" || path.startsWith("/v2/");
}

/** What stands at a path; undefined for nothing. */
export function restTarget(path: string): RestTarget | undefined {
  const trimmed = path.replace(/\/$/, "");
  const fixed = FIXED[trimmed];
  if (fixed !== undefined) return fixed;
  const [, model, version = "", verb = "metadata"] = MODEL.exec(trimmed) ?? [];
  if (model === undefined) return undefined;
  try {
    return { kind: `model-${verb as Verb}`, model: decodeURIComponent(model), version: decodeURIComponent(version) };
  } catch {
    return undefined;
  }
}

/** The method of a target. */
export function methodOf({ kind }: RestTarget): "GET" | "POST" {
  return kind === "model-infer" || kind === "repository-index" ? "POST" : "GET";
}
