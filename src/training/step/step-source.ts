import type { FeatureStore } from "../features/feature-cache.ts";
import type { BatchSizes, Objective } from "../objectives.ts";
import { collate, recordTokens, type TrainingRecord } from "./collate.ts";
import { DataOrder, type DataOrderOptions } from "./data-order.ts";
import type { StepData, StepSource } from "./step-data.ts";

// The batches of a fine-tuning run, read from stored features.

export interface StepSourceOptions extends Omit<DataOrderOptions, "lengths"> {
  readonly features: FeatureStore;
  readonly objective: Objective;
  /** Choices of a question, masked positions of a pretraining row. */
  readonly sizes?: Omit<BatchSizes, "examples" | "length">;
}

/** Batches from stored features; the order of a restarted attempt is drawn anew. */
export class FeatureStepSource implements StepSource {
  readonly stepsPerEpoch: number;
  /** The order of the first attempt: the one that plans and digests describe. */
  readonly order: DataOrder;
  readonly #options: StepSourceOptions;
  #current: { readonly attempt: number; readonly order: DataOrder };
  /** The step after the one asked for last, being read ahead. */
  #ahead: { readonly step: number; readonly attempt: number; readonly data: Promise<StepData> } | undefined;

  constructor(options: StepSourceOptions) {
    this.#options = options;
    this.order = new DataOrder({ ...options, lengths: options.features.lengths });
    this.stepsPerEpoch = this.order.stepsPerEpoch;
    this.#current = { attempt: 0, order: this.order };
  }

  async step(step: number, attempt: number): Promise<StepData> {
    const ahead = this.#ahead;
    const data = ahead?.step === step && ahead.attempt === attempt ? ahead.data : this.#read(step, attempt);
    const found = await data;
    const next = this.#read(step + 1, attempt);
    next.catch(() => {}); // the caller that asks for that step gets the error
    this.#ahead = { step: step + 1, attempt, data: next };
    return found;
  }

  async #read(step: number, attempt: number): Promise<StepData> {
    const { features, objective, sizes, sequencesPerExample: sequences = 1 } = this.#options;
    const plans = this.#orderOf(attempt).microBatches(step);
    let tokens = 0;
    const microBatches = [];
    for (const { bucket, examples } of plans) {
      const records: TrainingRecord[] = await Promise.all(examples.map((example) => features.read(example)));
      tokens += records.reduce((sum, record) => sum + recordTokens(record), 0);
      microBatches.push(collate(objective, records, bucket, sizes));
    }
    return {
      microBatches,
      examples: plans.reduce((sum, { examples }) => sum + examples.length, 0),
      tokens,
      computedTokens: plans.reduce((sum, { bucket }) => sum + bucket.rows * bucket.sequenceLength * sequences, 0),
    };
  }

  #orderOf(attempt: number): DataOrder {
    if (this.#current.attempt !== attempt) {
      const { seed, features } = this.#options;
      // Attempts shuffle by seeds far apart, so that neighbouring seeds of a user never share an order.
      const order = new DataOrder({ ...this.#options, seed: seed + attempt * 2 ** 40, lengths: features.lengths });
      this.#current = { attempt, order };
    }
    return this.#current.order;
  }
}
