import type { Span } from "../tracing/span.ts";
import type { Timings } from "./answer.ts";

// The stages of one request as parts of its span. They are written when the request is answered, from the times that every
// answer carries anyway.

/** @param receivedAt  when the request arrived, on the clock of `performance.now()` */
export function traceStages(span: Span, receivedAt: number, timings: Timings): void {
  if (!span.context.sampled) return;
  let at = receivedAt;
  for (const [name, ms] of [
    ["admission", timings.receiveMs],
    ["tokenize", timings.tokenizeMs],
    ["queue", timings.queueMs],
    ["assemble", timings.assembleMs],
    ["run", timings.runMs],
    ["postprocess", timings.postMs],
  ] as const) {
    span.part({ name, startedAt: at, endedAt: at + ms });
    at += ms;
  }
}
