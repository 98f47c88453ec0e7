import type { Tensor } from "../model/tensor.ts";

/** One fixed-shape input of a training step. Ids and labels are int32, weights and masks float32. */
export interface BatchTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/**
 * A collated micro-batch: named tensors whose shapes belong to one length bucket. Names are those of
 * `training/objectives` (input_ids, input_mask, segment_ids, label_ids, start_positions, masked_lm_positions, ...).
 */
export type Batch = Readonly<Record<string, BatchTensor>>;

/** Everything that decides the next bit of training, apart from where the data stands. */
export interface TrainState {
  /** By official variable name. */
  readonly parameters: Map<string, Tensor>;
  /** First and second moments, keyed by parameter name. Absent for frozen parameters. */
  readonly adamM: Map<string, Tensor>;
  readonly adamV: Map<string, Tensor>;
  /** Updates applied so far; the first update runs with globalStep 0. */
  globalStep: number;
}

/** What one optimizer step reports. */
export interface StepResult {
  /** Loss of the whole accumulation window before the update, weighted as if it were one batch. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Objective-specific sums, such as correct predictions, by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Runs optimizer steps over a state it owns. Two implementations compute the same numbers: `onnx` (a traced graph on ONNX
 * Runtime) and `tfjs` (the same functions eagerly).
 */
export interface Executor {
  /**
   * One optimizer step over one or more micro-batches (gradient accumulation).
   *
   * @param seed  64-bit counter seed as two 32-bit halves; dropout masks are a pure function of it
   */
  step(
    microBatches: readonly Batch[],
    options: { learningRate: number; seed: readonly [number, number] },
  ): Promise<StepResult>;
  /** A copy of the state, safe to write to disk while training goes on. */
  snapshot(): Promise<TrainState>;
  close(): Promise<void>;
}
