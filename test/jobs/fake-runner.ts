import type { Job } from "../../src/jobs/job.ts";
import type { JobWorker, RunningWork, WorkHooks, WorkOutcome } from "../../src/jobs/job-runner.ts";
import type { JobPlan } from "../../src/jobs/job-service.ts";
import type { JobSpec } from "../../src/jobs/job-spec.ts";
import type { Publication } from "../../src/jobs/runner/model-publisher.ts";

export const PLAN: JobPlan = {
  problems: [],
  steps: 10,
  tokens: 1000,
  paddingShare: 0.1,
  peakMemoryBytes: 1,
  diskBytes: 1,
  etaSeconds: 1,
  settings: [],
};

export function specOf(varied: Partial<JobSpec> = {}): JobSpec {
  return {
    kind: "fine-tune",
    model: "mood",
    task: "sst-2",
    init: "",
    recipe: {},
    seed: 1,
    promote: "manual",
    priority: 0,
    maxWallSeconds: 0,
    maxSteps: 0,
    labels: {},
    ...varied,
  };
}

/** Work that a test drives by hand. */
export interface HandWork {
  readonly job: Job;
  readonly hooks: WorkHooks;
  readonly yielding: boolean[];
  stopped: boolean;
  finish(outcome: WorkOutcome): void;
  fail(error: Error): void;
}

export class HandWorker implements JobWorker {
  readonly started: HandWork[] = [];

  get current(): HandWork {
    return this.started.at(-1)!;
  }

  start(job: Job, _directory: string, hooks: WorkHooks): RunningWork {
    let finish: (outcome: WorkOutcome) => void = () => {};
    let fail: (error: Error) => void = () => {};
    const done = new Promise<WorkOutcome>((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
    const work: HandWork = { job, hooks, yielding: [], stopped: false, finish, fail };
    this.started.push(work);
    return {
      done,
      stop() {
        work.stopped = true;
      },
      setYield: (yielding) => work.yielding.push(yielding),
    };
  }

  async plan(): Promise<JobPlan> {
    return PLAN;
  }

  async close(): Promise<void> {}
}

/** A publication that remembers what it was asked. */
export class RecordingPublication implements Publication {
  readonly calls: string[] = [];
  verdict: "pass" | "fail" | "inconclusive" = "pass";
  better = true;
  /** Whether the champion still is the one that the gate knew. */
  promotes = true;
  failing: Error | undefined;
  /** Whether the gate works until it is stopped. */
  judgesUntilStopped = false;

  async keep({ name }: { readonly name: string }): Promise<string> {
    this.calls.push(`keep ${name}`);
    return "d".repeat(64);
  }

  async publish(job: Job): Promise<{ readonly version: string }> {
    if (this.failing !== undefined) throw this.failing;
    const version = `${job.spec.model}@1`;
    this.calls.push(`publish ${version}`);
    return { version };
  }

  async judge(_job: Job, { version }: { readonly version: string }, signal: AbortSignal) {
    this.calls.push(`judge ${version}`);
    if (this.judgesUntilStopped) {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
    return { verdict: this.verdict, better: this.better, report: { difference: 0.1 } };
  }

  async promote(_job: Job, version: string): Promise<boolean> {
    this.calls.push(`promote ${version}`);
    return this.promotes;
  }
}

/** Waits until a condition holds, letting every other task run meanwhile; the disk may be slow. */
export async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
