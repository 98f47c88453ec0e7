import type { ResponseMeta, Timings } from "../../gen/albert/v1/inference_pb.js";

/** Which version answered, how many tokens it computed, and where the milliseconds went. */
export function MetaLine({ meta }: { readonly meta: ResponseMeta | undefined }) {
  if (meta === undefined) return null;
  return (
    <footer class="meta">
      <p>
        <b>{meta.model}</b> version {meta.version} · <code title={meta.digest}>{meta.digest.slice(0, 12)}</code> ·{" "}
        {meta.device} · {meta.tokens} tokens
        {meta.windows > 1 ? ` in ${meta.windows} sequences` : ""}
        {meta.truncated ? " · truncated" : ""}
      </p>
      {meta.timings !== undefined && <Stages timings={meta.timings} />}
    </footer>
  );
}

/** The stages of one request as parts of a bar, each named with its time. */
function Stages({ timings }: { readonly timings: Timings }) {
  const stages = [
    ["receive", timings.receiveMs],
    ["tokenize", timings.tokenizeMs],
    ["queue", timings.queueMs],
    ["assemble", timings.assembleMs],
    ["run", timings.runMs],
    ["post", timings.postMs],
  ] as const;
  return (
    <div class="stages">
      <div class="stage-bar" aria-hidden="true">
        {stages.map(([name, ms]) => (
          <span key={name} class={`stage-${name}`} style={{ flexGrow: Math.max(0, ms) }} />
        ))}
      </div>
      <ul aria-label="Time by stage">
        {stages.map(([name, ms]) => (
          <li key={name}>
            <span class={`swatch stage-${name}`} aria-hidden="true" />
            {name} <b>{ms.toFixed(2)}</b>
          </li>
        ))}
        <li>
          total <b>{timings.totalMs.toFixed(1)} ms</b>
        </li>
      </ul>
    </div>
  );
}
