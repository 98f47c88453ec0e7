import { AlbertError } from "../../src/errors.ts";
import type { Job } from "../../src/jobs/job.ts";
import type { JobOutcome, JobPlan } from "../../src/jobs/job-outcome.ts";
import type { JobHooks, JobRun, JobRunner } from "../../src/jobs/job-runner.ts";
import type { JobSpec } from "../../src/jobs/job-spec.ts";
import type { ModelPublisher } from "../../src/jobs/runner/publish-result.ts";

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
export interface ManualRun {
  readonly job: Job;
  readonly hooks: JobHooks;
  readonly yielding: boolean[];
  stopped: boolean;
  finish(outcome: JobOutcome): void;
  fail(error: Error): void;
}

export class ManualRunner implements JobRunner {
  readonly started: ManualRun[] = [];

  get current(): ManualRun {
    return this.started.at(-1)!;
  }

  start(job: Job, _directory: string, hooks: JobHooks): JobRun {
    let finish: (outcome: JobOutcome) => void = () => {};
    let fail: (error: Error) => void = () => {};
    const done = new Promise<JobOutcome>((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
    const work: ManualRun = { job, hooks, yielding: [], stopped: false, finish, fail };
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

/** A publisher that remembers what it was asked. */
export class RecordingPublisher implements ModelPublisher {
  readonly calls: string[] = [];
  verdict: "pass" | "fail" | "inconclusive" = "pass";
  better = true;
  /** Whether the champion still is the one that the gate knew. */
  promotes = true;
  failing: Error | undefined;
  /** How often the gate's thread still dies. */
  gatesLost = 0;
  /** Whether the gate works until it is stopped. */
  gateRunsUntilStopped = false;

  async keep({ name }: { readonly name: string }): Promise<string> {
    this.calls.push(`keep ${name}`);
    return "d".repeat(64);
  }

  async keepReport(version: string): Promise<void> {
    this.calls.push(`report ${version}`);
  }

  async publish(job: Job): Promise<{ readonly version: string }> {
    if (this.failing !== undefined) throw this.failing;
    const version = `${job.spec.model}@1`;
    this.calls.push(`publish ${version}`);
    return { version };
  }

  async runGate(_job: Job, { version }: { readonly version: string }, signal: AbortSignal) {
    this.calls.push(`runGate ${version}`);
    if (this.gatesLost > 0) {
      this.gatesLost--;
      throw new AlbertError("backend", "a thread of the server died over its work", { reason: "THREAD_LOST" });
    }
    if (this.gateRunsUntilStopped) {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
    return { verdict: this.verdict, better: this.better, report: { difference: 0.1, findings: ["as the gate found"] } };
  }

  async promoteIfUnchanged(_job: Job, version: string): Promise<boolean> {
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
