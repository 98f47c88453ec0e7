import type { TrainingEvent } from "../training/events.ts";
import type { JobProgress, NewJobEvent } from "./job-event.ts";

/** What of a run's own events goes into its job's log; undefined for those that the job's states already tell. */
export function jobEventOf(event: TrainingEvent, progress: JobProgress): NewJobEvent | undefined {
  switch (event.kind) {
    case "started": {
      const { kind: _, ...detail } = event;
      return {
        kind: "activity",
        summary: "training",
        progress: { step: event.firstStep, totalSteps: event.totalSteps },
        detail,
      };
    }
    case "step_metrics": {
      const { kind, ...detail } = event;
      const [low, high] = event.etaSeconds;
      const { step, epoch, loss, learningRate, tokensPerSecond } = event;
      return {
        kind,
        summary: `step ${step}: loss ${loss.toFixed(4)}`,
        progress: { step, epoch, loss, learningRate, tokensPerSecond, etaSeconds: (low + high) / 2 },
        detail,
      };
    }
    case "eval_result": {
      const { kind, ...detail } = event;
      const values = Object.entries(event.metrics).map(([name, value]) => `${name} ${Number(value.toFixed(4))}`);
      return {
        kind,
        summary: `step ${event.step}: ${values.join(", ")}${event.best ? " (best so far)" : ""}`,
        progress: { metrics: event.metrics },
        detail,
      };
    }
    case "checkpoint_written": {
      const { kind, ...detail } = event;
      return { kind, summary: `checkpoint of step ${event.step}, ${event.bytes} bytes`, detail };
    }
    case "checkpoint_pruned":
      return { kind: event.kind, summary: `checkpoint of step ${event.step} removed`, detail: { step: event.step } };
    case "warning":
      return { kind: event.kind, summary: event.message, detail: { reason: event.reason } };
    case "resumed": {
      const stepsLost = Math.max(0, progress.step - event.step);
      const summary = `resumed at step ${event.step}${stepsLost > 0 ? `, repeating ${stepsLost}` : ""}`;
      return { kind: event.kind, summary, detail: { step: event.step, stepsLost } };
    }
    case "diverged": {
      const { kind, ...detail } = event;
      return { kind, summary: event.message, detail };
    }
    case "rolled_back": {
      const { kind, ...detail } = event;
      const summary = `back from step ${event.fromStep} to ${event.toStep} at ${event.learningRateScale} of the learning rate`;
      return { kind, summary, detail };
    }
    case "finished":
      return undefined;
  }
}

/** Lets through at most one `step_metrics` per interval; every other event passes. */
export class MetricsThrottle {
  readonly #intervalMs: number;
  readonly #clock: () => number;
  #last = Number.NEGATIVE_INFINITY;

  constructor(intervalMs: number, clock: () => number) {
    this.#intervalMs = intervalMs;
    this.#clock = clock;
  }

  passes(event: TrainingEvent): boolean {
    if (event.kind !== "step_metrics") return true;
    const now = this.#clock();
    if (now - this.#last < this.#intervalMs) return false;
    this.#last = now;
    return true;
  }
}
