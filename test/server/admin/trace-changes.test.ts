import { performance } from "node:perf_hooks";
import { expect, it } from "vitest";
import type { GateReport } from "../../../src/deployment/gate/gate-report.ts";
import type { Job } from "../../../src/jobs/job.ts";
import { jobTraces, traceGate } from "../../../src/server/admin/trace-changes.ts";
import type { Part, Tracer } from "../../../src/tracing/span.ts";

function recordingTracer(): { readonly tracer: Tracer; readonly seen: { part: Part; parts: readonly Part[] }[] } {
  const seen: { part: Part; parts: readonly Part[] }[] = [];
  const call = () => {
    throw new Error("no call is made here");
  };
  return { tracer: { call, event: (part, parts = []) => seen.push({ part, parts }), close: async () => {} }, seen };
}

/** A job that failed at `end`, after a wait of 100 ms and a run of 900 ms. */
function failedJob(id: string, end: number): Job {
  const state = { kind: "failed", reason: "DIVERGED", message: "" } as const;
  const history = [
    { from: undefined, to: { kind: "queued", resuming: false }, timeMs: end - 1000 },
    { from: "queued", to: { kind: "running" }, timeMs: end - 900 },
    { from: "running", to: state, timeMs: end },
  ];
  return { id, spec: { model: "mine" }, createdMs: end - 1000, updatedMs: end, state, history } as unknown as Job;
}

it("traces each job once, when it is over, with its states and the reason of its end", () => {
  const { tracer, seen } = recordingTracer();
  const end = Date.now() + 60_000;
  const running = { ...failedJob("b", end), state: { kind: "running" } } as Job;
  const before = failedJob("c", Date.now() - 60_000);
  const update = jobTraces(tracer, () => [failedJob("a", end), running, before]);
  update();
  update();
  expect(seen).toHaveLength(1);
  const { part, parts } = seen[0]!;
  expect(part).toMatchObject({
    name: "job",
    error: "DIVERGED",
    attributes: { "albert.job_id": "a", "albert.model": "mine" },
  });
  expect(parts.map(({ name }) => name)).toEqual(["queued", "running"]);
  expect(parts.map(({ startedAt, endedAt }) => Math.round(endedAt - startedAt))).toEqual([100, 900]);
  expect(part.endedAt).toBeCloseTo(end - performance.timeOrigin, 3);
});

it("traces a comparison of the gate with its verdict", () => {
  const { tracer, seen } = recordingTracer();
  const report = { id: "r", verdict: "pass", better: true } as GateReport;
  traceGate(tracer, report, performance.now() - 50);
  const { part } = seen[0]!;
  expect(part).toMatchObject({ name: "gate", attributes: { "albert.verdict": "pass", "albert.better": true } });
  expect(part.endedAt - part.startedAt).toBeGreaterThanOrEqual(50);
});
