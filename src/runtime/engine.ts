import type { Cancellation } from "../platform/waiting/cancellation.ts";
// The contract between everything that wants numbers from a model and the thing that computes them. An engine holds one
// model version on one device. It computes whatever mix of sequences and heads it is handed, in one batch, without
// padding.

/** One sequence of a batch. */
export interface SequenceInput {
  /** Token ids with special tokens, length T <= max_position_embeddings. */
  readonly inputIds: Int32Array;
  /** Segment ids, length T. */
  readonly tokenTypeIds: Int32Array;
  /** What to compute: head names of the model, or the trunk's own outputs. At least one. */
  readonly outputs: readonly OutputName[];
  /** For a masked-lm head: positions in the sequence whose vocabulary logits are wanted. */
  readonly maskedPositions?: Int32Array;
  /** For a span-answerability head: length T, 1 where no answer may start or end (official `p_mask`). */
  readonly answerMask?: Uint8Array;
  /** For a span-answerability head: beam widths; 5 and 5 in the official scripts. */
  readonly startTopN?: number;
  readonly endTopN?: number;
}

/** A head's name, or one of the trunk's outputs. */
export type OutputName = string | typeof POOLED_OUTPUT | typeof SEQUENCE_OUTPUT;

/** tanh pooler over the first token, float32 [H]. */
export const POOLED_OUTPUT = "@pooled";
/** Last block's output, float32 [T, H]. */
export const SEQUENCE_OUTPUT = "@sequence";

/**
 * One output of one sequence, row-major; owned by the receiver.
 *
 * | head | tensors |
 * |---|---|
 * | classification, multiple-choice, sentence-order | `logits` [C] |
 * | span | `startLogits` [T], `endLogits` [T] |
 * | span-answerability | `startLogProbs` [K1], `startIndexes` [K1], `endLogProbs` [K1*K2], `endIndexes` [K1*K2], `answerabilityLogit` [1] |
 * | masked-lm | `logits` [M, V] |
 * | @pooled, @sequence | `values` |
 */
export type OutputTensors = Readonly<Record<string, Float32Array | Int32Array>>;

/** Outputs of one sequence by the names it asked for. */
export type SequenceOutput = ReadonlyMap<OutputName, OutputTensors>;

/** What one batch cost, for metrics and for the caller's own timings. */
export interface BatchCost {
  /** Tokens that were computed, and tokens that only attention's padded view held. */
  readonly tokens: number;
  readonly paddedTokens: number;
  readonly assembleMs: number;
  readonly runMs: number;
}

export interface BatchResult {
  readonly outputs: readonly SequenceOutput[];
  /**
   * Sequences, in ascending order, whose outputs hold a NaN or an infinity: their answers must not be given. Their
   * neighbours are not affected. Absent: there are none.
   */
  readonly nonFinite?: readonly number[];
  readonly cost: BatchCost;
}

/** `openvino` is the processor by OpenVINO's kernels, and `cpu` by ONNX Runtime's. */
export type DeviceKind = "cpu" | "openvino" | "webgpu" | "cuda";

export interface RunOptions {
  /** Aborting withdraws a batch that has not begun; one that has begun runs to its end. */
  readonly signal?: Cancellation;
}

/** One loaded model version on one device. */
export interface Engine {
  readonly device: DeviceKind;
  /** Smallest token count that reaches 95 % of the device's best token rate for this model, measured at load. */
  readonly tokenBudget: number;
  /** Predicted milliseconds for a batch of these sequence lengths, learnt from the batches run so far. */
  predictMs(lengths: readonly number[]): number;
  /**
   * Computes one batch. Batches may be handed over while others run; the engine keeps two in flight and queues the rest.
   *
   * @throws AlbertError invalid-input (ids outside the vocabulary, an unknown output, a sequence too long: every violation at
   *   once); unavailable (WORKER_LOST, WORKER_STALLED) when the worker died under this batch, ENGINE_CLOSED after `close`;
   *   cancelled (BATCH_CANCELLED); backend (BATCH_FAILED) when the runtime refused the batch: split it to find the culprit
   */
  run(sequences: readonly SequenceInput[], options?: RunOptions): Promise<BatchResult>;
  /** Ends the session after batches in flight have been answered, and returns its memory to the system. */
  close(): Promise<void>;
}
