import { SingleBar } from "cli-progress";
import type { TrainingEvent } from "../../training/events.ts";

/** Seconds between lines where there is no terminal to draw a bar on. */
const LINE_SECONDS = 10;

/** Shows a run as it goes: a bar on a terminal, now and then a line elsewhere. */
export class TrainingProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #totalSteps = 0;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Says what is being done before the first step. */
  activity(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  /** Prints a line above the bar. */
  say(text: string): void {
    if (this.#bar === undefined) this.#stream.write(`${text}\n`);
    else {
      this.#stream.write(`\r\u001b[K${text}\n`);
      this.#bar.render();
    }
  }

  show(event: TrainingEvent): void {
    switch (event.kind) {
      case "started":
        this.#totalSteps = event.totalSteps;
        this.#begin(event.firstStep);
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
      case "finished":
        this.say(`${event.stoppedBy} at step ${event.step}`);
        break;
      case "checkpoint_written":
      case "checkpoint_pruned":
        break;
    }
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #begin(firstStep: number): void {
    if (!this.#stream.isTTY) return;
    this.#bar = new SingleBar({
      format: "{bar} {value}/{total}  loss {loss}  lr {rate}  {tokens} tokens/s  {eta_text} left",
      stream: this.#stream,
      hideCursor: true,
      barsize: 24,
    });
    this.#bar.start(this.#totalSteps, firstStep, { loss: "-", rate: "-", tokens: "-", eta_text: "?" });
  }

  #progress(event: Extract<TrainingEvent, { kind: "step_metrics" }>): void {
    const [low, high] = event.etaSeconds;
    const fields = {
      loss: event.loss.toFixed(4),
      rate: event.learningRate.toExponential(2),
      tokens: Math.round(event.tokensPerSecond),
      eta_text: durationText((low + high) / 2),
    };
    if (this.#bar !== undefined) {
      this.#bar.update(event.step, fields);
      return;
    }
    const now = performance.now() / 1000;
    if (now - this.#lastLine < LINE_SECONDS && event.step < this.#totalSteps) return;
    this.#lastLine = now;
    const { loss, rate, tokens, eta_text } = fields;
    this.say(`step ${event.step}/${this.#totalSteps}  loss ${loss}  lr ${rate}  ${tokens} tokens/s  ${eta_text} left`);
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
