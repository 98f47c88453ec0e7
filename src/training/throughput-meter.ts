import type { TrainingProgress } from "./checkpoints.ts";
import type { TrainingEvent } from "./events.ts";
import type { StepData } from "./step/step-data.ts";
import type { StepResult } from "./step/training-step.ts";

type StepMetrics = Omit<Extract<TrainingEvent, { kind: "step_metrics" }>, "kind" | "learningRate">;

/** Intervals between reports on which the estimate of the remaining time rests. */
const REMEMBERED = 8;

/** Adds up what happened between two reports of a run's speed. */
export class ThroughputMeter {
  readonly #clock: () => number;
  readonly #totalSteps: number;
  /** Milliseconds per step of recent intervals. */
  #recent: number[] = [];
  #beganAt = 0;
  #stepMs = 0;
  #waitMs = 0;
  #steps = 0;
  #lossSum = 0;
  #gradNorm = 0;
  #tokens = 0;
  #computedTokens = 0;
  #metrics: Record<string, number> = {};

  constructor(clock: () => number, totalSteps: number) {
    this.#clock = clock;
    this.#totalSteps = totalSteps;
  }

  stepBegins(): void {
    this.#beganAt = this.#clock();
  }

  dataArrived(): void {
    this.#waitMs += this.#clock() - this.#beganAt;
  }

  stepEnded(data: StepData, { loss, gradNorm, metrics }: StepResult): void {
    const now = this.#clock();
    this.#stepMs += now - this.#beganAt;
    this.#beganAt = now; // further steps of one run of the graph cost nothing more
    this.#steps++;
    this.#lossSum += loss;
    this.#gradNorm = gradNorm;
    this.#tokens += data.tokens;
    this.#computedTokens += data.computedTokens;
    for (const [name, value] of Object.entries(metrics)) this.#metrics[name] = (this.#metrics[name] ?? 0) + value;
  }

  /** Reports the interval since the last report, and begins a new one. */
  report({ step, examplesSeen, tokensSeen }: TrainingProgress, stepsPerEpoch: number): StepMetrics {
    const msPerStep = this.#stepMs / Math.max(this.#steps, 1);
    this.#recent = [...this.#recent, msPerStep].slice(-REMEMBERED);
    const left = this.#totalSteps - step;
    const report: StepMetrics = {
      step,
      epoch: step / stepsPerEpoch,
      loss: this.#lossSum / Math.max(this.#steps, 1),
      gradNorm: this.#gradNorm,
      examplesSeen,
      tokensSeen,
      tokensPerSecond: this.#stepMs > 0 ? this.#tokens / (this.#stepMs / 1000) : 0,
      paddingShare: this.#computedTokens > 0 ? 1 - this.#tokens / this.#computedTokens : 0,
      dataWaitShare: this.#stepMs > 0 ? this.#waitMs / this.#stepMs : 0,
      etaSeconds: [(left * Math.min(...this.#recent)) / 1000, (left * Math.max(...this.#recent)) / 1000],
      residentBytes: process.memoryUsage.rss(),
      metrics: this.#metrics,
    };
    this.#stepMs = this.#waitMs = this.#steps = this.#lossSum = this.#tokens = this.#computedTokens = 0;
    this.#metrics = {};
    return report;
  }
}
