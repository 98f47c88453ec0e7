import type { TrainingEvent } from "../training/events.ts";

// Notices a pretraining run that stays at the entropy of token frequencies. It stops nothing.

export interface PlateauRule {
  /** Entropy of the text's token frequencies, nats per token: what is reached without understanding anything. */
  readonly unigramNats: number;
  /** Steps before this one are not judged. */
  readonly fromStep: number;
  /** Steps of one window; its mean loss is judged. */
  readonly windowSteps: number;
}

/** Above this share of the unigram entropy the model has learned frequencies at best. */
const CLEARLY_BELOW = 0.97;

/**
 * Watches for the plateau on which many runs from random weights stay: the masked-LM loss falls to the entropy of the token
 * frequencies and no further. Warns once for each window that ends there.
 */
export class PlateauWatch {
  readonly #rule: PlateauRule;
  #windowFrom: number;
  #reported = 0;
  /** Sum over steps of the masked-LM loss, and those steps. */
  #loss = 0;
  #steps = 0;

  constructor(rule: PlateauRule) {
    this.#rule = rule;
    this.#windowFrom = rule.fromStep;
  }

  /** @returns a warning when a window ended on the plateau */
  watch(event: TrainingEvent): Extract<TrainingEvent, { kind: "warning" }> | undefined {
    if (event.kind === "started") this.#reported = event.firstStep;
    if (event.kind !== "step_metrics") return undefined;
    const steps = event.step - this.#reported;
    this.#reported = event.step;
    if (event.step <= this.#rule.fromStep) return undefined;
    this.#loss += event.metrics["masked_lm_loss"] ?? 0;
    this.#steps += steps;
    if (event.step - this.#windowFrom < this.#rule.windowSteps) return undefined;
    const mean = this.#loss / this.#steps;
    const from = this.#windowFrom;
    this.#windowFrom = event.step;
    this.#loss = 0;
    this.#steps = 0;
    const { unigramNats } = this.#rule;
    if (mean < CLEARLY_BELOW * unigramNats) return undefined;
    const message =
      `steps ${from} to ${event.step}: the masked-LM loss is ${mean.toFixed(3)}, and knowing only how frequent each token is ` +
      `gives ${unigramNats.toFixed(3)}. Longer warmup, another learning rate or shorter sequences at the start usually help`;
    return { kind: "warning", reason: "PLATEAU", message };
  }
}
