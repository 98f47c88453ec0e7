import type { TraceContext } from "./span.ts";

// The headers of W3C's Trace Context: `traceparent`, and `tracestate`, which means nothing without it.

export const TRACEPARENT = "traceparent";
export const TRACESTATE = "tracestate";

/** Version, trace, parent, flags; later versions may say more behind them. */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** The caller's span; undefined for a `traceparent` that does not fit, which is as if there were none. `state` is kept as it is. */
export function parseTraceparent(header: string | undefined, state?: string): TraceContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = FORM.exec(header?.trim() ?? "") ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;
  return { traceId, spanId, sampled, ...(state === undefined || state === "" ? {} : { state }) };
}
