import type { Metadata } from "@grpc/grpc-js";
import type { Span } from "../../tracing/span.ts";

// Which trace a call of the library is in: our call and the library's see the same metadata, and nothing else of each other.

/**
 * By the metadata that a call came with, of traces that are kept alone: the collector of garbage has to look after every entry
 * (docs/performance.md).
 */
const KEPT = new WeakMap<Metadata, string>();

/** Remembers the trace of the call that came with this metadata, if it is kept, for as long as that lives. */
export function rememberTrace(metadata: Metadata, { context }: Pick<Span, "context">): void {
  if (context.sampled) KEPT.set(metadata, context.traceId);
}

/** The trace of the call that came with this metadata, where it is kept. */
export function keptTraceOf(metadata: Metadata | undefined): string | undefined {
  return metadata === undefined ? undefined : KEPT.get(metadata);
}
