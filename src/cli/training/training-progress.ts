import type { TrainingEvent } from "../../training/events.ts";
import { barText, StatusLine, type TerminalStream } from "../status-line.ts";

// A training run as it goes, for a person.

/** Seconds between lines where there is no terminal to write over. */
export const LINE_SECONDS = 10;

/** Shows a run: one line that is written over on a terminal, now and then a line elsewhere. */
export class TrainingProgressBar {
  readonly #line: StatusLine;
  #totalSteps = 0;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(stream: TerminalStream) {
    this.#line = new StatusLine(stream);
  }

  /** Says what is being done before the first step. */
  activity(text: string): void {
    this.#line.say(text);
  }

  /** Prints a line above the status. */
  say(text: string): void {
    this.#line.say(text);
  }

  show(event: TrainingEvent): void {
    switch (event.kind) {
      case "started":
        this.#totalSteps = event.totalSteps;
        if (event.computedOn !== undefined) this.say(`training on ${event.computedOn}`);
        break;
      case "step_metrics":
        this.#progress(event);
        break;
      case "eval_result":
        this.say(`step ${event.step}: ${metricText(event.metrics)}${event.best ? "  (best so far)" : ""}`);
        break;
      case "warning":
        this.say(`warning: ${event.message}`);
        break;
      case "resumed":
        this.say(`resumed at step ${event.step}`);
        break;
      case "diverged":
        this.say(`diverged: ${event.message}`);
        break;
      case "rolled_back":
        this.say(`back to step ${event.toStep} with ${event.learningRateScale} of the learning rate`);
        break;
      case "repeat_begun":
        this.say(`${event.name}, run ${event.index + 1} of ${event.count}`);
        break;
      case "repeats_done":
        this.say(event.message);
        break;
      case "finished":
        this.say(`${event.stoppedBy} at step ${event.step}`);
        break;
      case "checkpoint_written":
      case "checkpoint_pruned":
        break;
    }
  }

  close(): void {
    this.#line.close();
  }

  #progress(event: Extract<TrainingEvent, { kind: "step_metrics" }>): void {
    const [low, high] = event.etaSeconds;
    const count = `${event.step}/${this.#totalSteps}`;
    const loss = `loss ${event.loss.toFixed(4)}`;
    const rate = `lr ${event.learningRate.toExponential(2)}`;
    const speed = `${Math.round(event.tokensPerSecond)} tokens/s`;
    const left = `${durationText((low + high) / 2)} left`;
    if (this.#line.isLive) {
      this.#line.update([
        { text: barText(event.step, this.#totalSteps), rank: 5 },
        { text: count, rank: 0 },
        { text: loss, rank: 1 },
        { text: rate, rank: 4 },
        { text: speed, rank: 3 },
        { text: left, rank: 2 },
      ]);
      return;
    }
    const now = performance.now() / 1000;
    if (now - this.#lastLine < LINE_SECONDS && event.step < this.#totalSteps) return;
    this.#lastLine = now;
    this.say(`step ${[count, loss, rate, speed, left].join("  ")}`);
  }
}

/** A duration as a person reads it: `45s`, `12m05s`, `3h20m`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}

function metricText(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${Number(value.toFixed(4))}`)
    .join("  ");
}
