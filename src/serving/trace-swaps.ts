import { performance } from "node:perf_hooks";
import type { Tracer } from "../tracing/span.ts";
import type { ModelRegistry } from "./models/registry.ts";
import type { SwapReport } from "./models/status.ts";

// The span of a change of version, with a part for each of its phases.

/** Phases in the order in which they happen; up to the flip, and after it. */
const BEFORE = ["load", "rehearse", "build", "check"] as const;
const AFTER = ["flip", "drain", "release"] as const;

/** Makes a span of every change of version, once the version before has drained, until the signal aborts. */
export function traceSwaps(models: ModelRegistry, tracer: Tracer, signal: AbortSignal): void {
  const seen = new Map<string, number>();
  const follow = async () => {
    for await (const { name, lastSwap } of models.watch(signal)) {
      // The first version of a name replaces none, and has nothing to drain.
      const over = lastSwap !== undefined && (lastSwap.from === undefined || lastSwap.rssAfterBytes !== undefined);
      if (!over || seen.get(name) === lastSwap.generation) continue;
      seen.set(name, lastSwap.generation);
      traceSwap(lastSwap, tracer);
    }
  };
  // Ends with an error only when the watch does: then there is nothing to trace any more.
  follow().catch(() => {});
}

function traceSwap({ name, from, to, result, generation, timeMs, phaseSeconds }: SwapReport, tracer: Tracer): void {
  const flippedAt = timeMs - performance.timeOrigin;
  const ms = (phase: (typeof BEFORE)[number] | (typeof AFTER)[number]) => (phaseSeconds[phase] ?? 0) * 1000;
  const startedAt = flippedAt - BEFORE.reduce((sum, phase) => sum + ms(phase), 0);
  let at = startedAt;
  const parts = [...BEFORE, ...AFTER].flatMap((phase) => {
    if (phaseSeconds[phase] === undefined) return [];
    const part = { name: phase, startedAt: at, endedAt: at + ms(phase) };
    at = part.endedAt;
    return [part];
  });
  const attributes = {
    ...{ "albert.model": name, "albert.version": to, "albert.result": result, "albert.generation": generation },
    ...(from === undefined ? {} : { "albert.previous_version": from }),
  };
  tracer.event({ name: "swap", startedAt, endedAt: at, attributes }, parts);
}
