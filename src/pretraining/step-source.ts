import type { Objective } from "../training/objectives.ts";
import { collate } from "../training/step/collate.ts";
import type { StepData, StepSource } from "../training/step/step-data.ts";
import type { Batch } from "../training/step/training-step.ts";
import { type PretrainingInstance, trainingRecord } from "./instances/instance.ts";
import { type PackedSizes, packedBatch } from "./instances/packed-batch.ts";
import { packRows } from "./instances/packing.ts";

// The batches of a pretraining run, stage by stage.

/** Instances by epoch and position; the same arguments give the same instance forever. */
export interface Instances {
  /** Instances of every epoch. */
  readonly length: number;
  instance(epoch: number, position: number): PretrainingInstance;
}

/** A part of a run with sequences of one length. A run has one stage, or several with growing lengths. */
export interface PretrainingStage {
  /** First step of the stage; 0 for the first. */
  readonly fromStep: number;
  /** Most tokens of an instance. */
  readonly sequenceLength: number;
  /** The stage's instances; every restart after a divergence draws anew. */
  readonly instances: (attempt: number) => Instances;
  /** Shape of a micro-batch. With `packing`, instances share rows of `sequenceLength` tokens. */
  readonly rows: number;
  readonly predictions: number;
  readonly packing?: Pick<PackedSizes, "segments" | "predictions">;
}

export interface PretrainingSourceOptions {
  readonly objective: Objective;
  /** Ascending by `fromStep`. */
  readonly stages: readonly PretrainingStage[];
  /** Instances of one optimizer step. */
  readonly batchSize: number;
}

/**
 * Batches of pretraining. Which instances a step takes is arithmetic: step s of a stage takes the next `batchSize` positions,
 * so a resumed run continues without replay. Packing happens within a step and cannot change which instances it holds.
 */
export class PretrainingStepSource implements StepSource {
  readonly stepsPerEpoch: number;
  readonly #options: PretrainingSourceOptions;
  #open: { readonly stage: PretrainingStage; readonly attempt: number; readonly instances: Instances } | undefined;

  constructor(options: PretrainingSourceOptions) {
    this.#options = options;
    this.stepsPerEpoch = this.#instancesOf(options.stages[0]!, 0).length / options.batchSize;
  }

  /** Ascending by `fromStep`. */
  get stages(): readonly PretrainingStage[] {
    return this.#options.stages;
  }

  async step(step: number, attempt: number): Promise<StepData> {
    const { stages, batchSize, objective } = this.#options;
    const stage = stages.findLast(({ fromStep }) => fromStep <= step)!; // the first begins at step 0
    const instances = this.#instancesOf(stage, attempt);
    const first = (step - stage.fromStep) * batchSize;
    const taken = Array.from({ length: batchSize }, (_, i) => {
      const index = first + i;
      return instances.instance(Math.floor(index / instances.length), index % instances.length);
    });
    const microBatches =
      stage.packing === undefined ? padded(objective, taken, stage) : packed(objective, taken, stage);
    return {
      microBatches,
      examples: taken.length,
      tokens: taken.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
      computedTokens: microBatches.reduce((sum, batch) => sum + batch["input_mask"]!.data.length, 0),
    };
  }

  #instancesOf(stage: PretrainingStage, attempt: number): Instances {
    if (this.#open?.stage !== stage || this.#open.attempt !== attempt) {
      this.#open = { stage, attempt, instances: stage.instances(attempt) };
    }
    return this.#open.instances;
  }
}

/** One instance a row, padded to the stage's length. */
function padded(objective: Objective, instances: readonly PretrainingInstance[], stage: PretrainingStage): Batch[] {
  const { rows, sequenceLength, predictions } = stage;
  return slices(instances, rows).map((some) =>
    collate(objective, some.map(trainingRecord), { rows, sequenceLength }, { predictions }),
  );
}

function packed(objective: Objective, instances: readonly PretrainingInstance[], stage: PretrainingStage): Batch[] {
  const { rows, sequenceLength } = stage;
  const { segments, predictions } = stage.packing!; // the caller looked
  const order = Uint32Array.from(instances.keys());
  const lengths = instances.map(({ inputIds }) => inputIds.length);
  const plan = packRows(order, lengths, {
    rowLength: sequenceLength,
    maxSegments: segments,
    bufferSize: instances.length,
  });
  const filled = Array.from({ length: plan.starts.length - 1 }, (_, row) =>
    Array.from(plan.instances.subarray(plan.starts[row]!, plan.starts[row + 1]!), (index) => instances[index]!),
  );
  const sizes = { rows, rowLength: sequenceLength, segments, predictions };
  return slices(filled, rows).map((some) => packedBatch(objective, some, sizes));
}

function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
