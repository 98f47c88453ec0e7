import type { ResponseMeta } from "../../gen/albert/v1/inference_pb.js";

/** Which version answered, how many tokens it computed, and where the milliseconds went. */
export function MetaLine({ meta }: { readonly meta: ResponseMeta | undefined }) {
  if (meta === undefined) return null;
  const timings = meta.timings;
  const stages =
    timings === undefined
      ? []
      : ([
          ["tokenize", timings.tokenizeMs],
          ["queue", timings.queueMs],
          ["assemble", timings.assembleMs],
          ["run", timings.runMs],
          ["post", timings.postMs],
        ] as const);
  return (
    <footer class="meta">
      <p>
        <b>{meta.model}</b> {meta.version} · <code title={meta.digest}>{meta.digest.slice(0, 12)}</code> · {meta.device}{" "}
        · {meta.tokens} tokens
        {meta.windows > 1 ? ` in ${meta.windows} windows` : ""}
        {meta.truncated ? " · truncated" : ""}
        {timings === undefined ? "" : ` · ${timings.totalMs.toFixed(1)} ms`}
      </p>
      <p class="stages">{stages.map(([name, ms]) => `${name} ${ms.toFixed(2)}`).join(" · ")} ms</p>
    </footer>
  );
}
