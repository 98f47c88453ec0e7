import type { TrainingEvent } from "../../training/events.ts";
import type { JobProgress, NewJobEvent } from "../job-event.ts";

// Which events of a training run go into its job's log, and how often.

/** What of a run's own events goes into its job's log; undefined for those that the job's states already tell. */
export function jobEventOf(event: TrainingEvent, progress: JobProgress): NewJobEvent | undefined {
  switch (event.kind) {
    case "started": {
      const { kind: _, ...detail } = event;
      return {
        kind: "activity",
        summary: event.computedOn === undefined ? "training" : `training on ${event.computedOn}`,
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
        progress: {
          step: event.step,
          metrics: event.metrics,
          ...(event.bestSoFar === undefined
            ? {}
            : { bestMetric: event.bestSoFar.metric, bestValue: event.bestSoFar.value }),
        },
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
    case "repeat_begun": {
      const { kind, ...detail } = event;
      return { kind, summary: `${event.name}, run ${event.index + 1} of ${event.count}`, detail };
    }
    case "repeats_done":
      return { kind: event.kind, summary: event.message, detail: { ...event.report } };
    case "finished":
      return undefined;
  }
}

/** Shortest and longest time between two `step_metrics` of a job. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 10_000;
/** A run's log has about this many of them for each time the run grows by a factor of e. */
const PER_FACTOR = 200;

/**
 * Thins out `step_metrics`: the longer a run, the longer the time between two of them, so that a curve over a run of
 * seconds and the log of a run of days both hold some hundreds to thousands of points. The last step's always pass, and so
 * does every other kind of event.
 */
export class MetricsThrottle {
  readonly #clock: () => number;
  #totalSteps = Number.POSITIVE_INFINITY;
  #startedMs: number | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param clock  milliseconds since some fixed moment; never set */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  passes(event: TrainingEvent): boolean {
    if (event.kind === "started") this.#totalSteps = event.totalSteps;
    if (event.kind !== "step_metrics") return true;
    const nowMs = this.#clock();
    this.#startedMs ??= nowMs;
    const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, (nowMs - this.#startedMs) / PER_FACTOR));
    if (event.step < this.#totalSteps && nowMs - this.#lastMs < intervalMs) return false;
    this.#lastMs = nowMs;
    return true;
  }
}
