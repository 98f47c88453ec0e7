import { describe, expect, it } from "vitest";
import { NO_PROGRESS } from "../../../src/jobs/job-event.ts";
import { jobEventOf, MetricsThrottle } from "../../../src/jobs/log/training-events.ts";
import type { TrainingEvent } from "../../../src/training/events.ts";

const DAY_MS = 86_400_000;

function stepMetrics(step: number): TrainingEvent {
  return {
    kind: "step_metrics",
    step,
    epoch: 0,
    loss: 1,
    learningRate: 0.1,
    gradNorm: 1,
    examplesSeen: 0,
    tokensSeen: 0,
    tokensPerSecond: 0,
    paddingShare: 0,
    dataWaitShare: 0,
    etaSeconds: [0, 0],
    residentBytes: 0,
    metrics: {},
  };
}

/** Steps whose metrics reach the log of a run with a fixed time per step. */
function logged(steps: number, msPerStep: number): number[] {
  let nowMs = 0;
  const throttle = new MetricsThrottle(() => nowMs);
  throttle.passes({ kind: "started", firstStep: 0, totalSteps: steps, stepsPerEpoch: steps, parameters: 1 });
  const kept: number[] = [];
  for (let step = 1; step <= steps; step++) {
    nowMs += msPerStep;
    if (throttle.passes(stepMetrics(step))) kept.push(step);
  }
  return kept;
}

describe("the metrics in a job's log", () => {
  it("are enough for a curve of a run of seconds, and end with its last step", () => {
    const kept = logged(61, 50);
    expect(kept.length).toBeGreaterThan(20);
    expect(kept.at(-1)).toBe(61);
  });

  it("stay few in a run of a day", () => {
    const kept = logged(DAY_MS / 100, 100);
    expect(kept.length).toBeGreaterThan(1_000);
    expect(kept.length).toBeLessThan(20_000);
  });

  it("name the step and the best value of an evaluation", () => {
    const metrics = { eval_accuracy: 0.5, eval_loss: 1 };
    const bestSoFar = { metric: "eval_accuracy", value: 0.75, step: 10 };
    const event = jobEventOf(
      { kind: "eval_result", step: 20, metrics, best: false, bestSoFar, seconds: 1 },
      NO_PROGRESS,
    );
    expect(event!.progress).toEqual({ step: 20, metrics, bestMetric: "eval_accuracy", bestValue: 0.75 });
  });
});
