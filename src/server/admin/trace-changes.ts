import { performance } from "node:perf_hooks";
import type { GateReport } from "../../deployment/gate/gate-report.ts";
import type { Job } from "../../jobs/job.ts";
import { isTerminal } from "../../jobs/job-state.ts";
import type { Tracer } from "../../tracing/span.ts";

// Spans of jobs and of the gate.

/** A moment as milliseconds since 1970, on the clock of `performance.now()`. */
const onClock = (timeMs: number) => timeMs - performance.timeOrigin;

/**
 * Makes a span of each job once it is over, from its creation to its end, with a part for each state it was in.
 *
 * @returns what to call whenever a job may have changed
 */
export function jobTraces(tracer: Tracer, jobs: () => readonly Job[]): () => void {
  const since = Date.now();
  const seen = new Set<string>();
  return () => {
    for (const job of jobs()) {
      // What was over when the server started was traced by the server before.
      if (!isTerminal(job.state) || job.updatedMs < since || seen.has(job.id)) continue;
      seen.add(job.id);
      traceJob(job, tracer);
    }
  };
}

function traceJob({ id, spec, createdMs, updatedMs, state, history }: Job, tracer: Tracer): void {
  const ends = [...history.slice(1).map(({ timeMs }) => timeMs), updatedMs];
  const parts = history.map(({ to, timeMs }, index) => ({
    name: to.kind,
    startedAt: onClock(timeMs),
    endedAt: onClock(ends[index] ?? updatedMs),
  }));
  const attributes = { "albert.job_id": id, "albert.model": spec.model, "albert.job_state": state.kind };
  const failed = state.kind === "failed" ? { error: state.reason } : {};
  const span = { name: "job", startedAt: onClock(createdMs), endedAt: onClock(updatedMs), attributes };
  tracer.event({ ...span, ...failed }, parts.slice(0, -1)); // the last state is the end
}

/** Makes a span of one comparison of the gate. @param startedAt  on the clock of `performance.now()` */
export function traceGate(tracer: Tracer, { id, verdict, better }: GateReport, startedAt: number): void {
  const attributes = { "albert.gate_report": id, "albert.verdict": verdict, "albert.better": better };
  tracer.event({ name: "gate", startedAt, endedAt: performance.now(), attributes });
}
