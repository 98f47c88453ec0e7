import type { AlbertConfig } from "../../model/config.ts";
import type { Tensor } from "../../model/tensor.ts";
import type { DeviceKind } from "../../runtime/engine.ts";
import type { OpenVinoPlaces } from "../../runtime/openvino/openvino-session.ts";
import type { Distillation } from "../distillation/distillation.ts";
import type { Objective } from "../objectives.ts";

// What a training step takes and returns, and the contract of its executors.

/** One fixed-shape input of a training step. Ids and labels are int32, weights and masks float32. */
export interface BatchTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/**
 * A collated micro-batch: named tensors whose shapes belong to one length bucket. `batchTensors` of `objectives.ts` lists
 * the names.
 */
export type Batch = Readonly<Record<string, BatchTensor>>;

/** Everything that decides the next bit of training, apart from where the data stands. */
export interface TrainState {
  /** By official variable name. */
  readonly parameters: Map<string, Tensor>;
  /** First and second moments, keyed by parameter name. Absent for frozen parameters and those without gradient. */
  readonly adamM: Map<string, Tensor>;
  readonly adamV: Map<string, Tensor>;
  /** Moving average of the trained parameters; empty unless `emaDecay` is set. */
  readonly ema: Map<string, Tensor>;
  /** Updates applied so far; the first update runs with globalStep 0. */
  globalStep: number;
}

/** `adamw-official` and `lamb` are Google's rules, without bias correction; `adamw-corrected` divides the moments by 1 - beta^t. */
export const OPTIMIZERS = ["adamw-official", "adamw-corrected", "lamb"] as const;

/** The update rule. Defaults are the official ones. */
export interface OptimizerOptions {
  readonly kind: (typeof OPTIMIZERS)[number];
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-6. */
  readonly epsilon?: number;
  /** Default 0.01; never applied to LayerNorm parameters and biases. */
  readonly weightDecay?: number;
  /** Largest global norm of the gradient. Default 1; 0 turns clipping off. */
  readonly clipNorm?: number;
  /** See `layerRate`. Default 1: every layer has the same rate. */
  readonly layerDecay?: number;
}

/** How the loss of a classification differs from plain cross-entropy. Reported losses of evaluations stay plain. */
export interface ClassificationLoss {
  /** Share of each target that is spread evenly over all labels (Szegedy et al. 2016). Default 0. */
  readonly labelSmoothing?: number;
  /** Focal loss: cross-entropy times (1 - p)^gamma for the probability p of the right label (Lin et al. 2017). Default 0. */
  readonly focalGamma?: number;
  /** Factor of an example's loss by the index of its label. Default 1 for all. */
  readonly classWeights?: readonly number[];
}

/** How vectors are made of texts, and what is minimised over them. S is the cosine of every anchor with every candidate of its batch. */
export interface ContrastiveLoss {
  /** The last layer at [CLS], or the mean of it over all tokens, special ones included; then scaled to length 1. */
  readonly pooling: "mean" | "cls";
  /**
   * - `ranking`: cross-entropy of `scale` * S against each anchor's own partner, all other candidates being wrong ones (InfoNCE: van
   *   den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018; with the texts of a batch as each other's
   *   wrong ones: Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", 2017)
   * - `triplet`: max(0, S of a wrong candidate - S of the partner + `margin`), mean over the wrong ones for which it is above 0
   *   (batch-all of Hermans, Beyer and Leibe, "In Defense of the Triplet Loss", 2017)
   */
  readonly kind: "ranking" | "triplet";
  /** 1 / temperature. */
  readonly scale: number;
  readonly margin: number;
}

/** What a training step computes. Together with the shapes of a batch it determines the step's graph. */
export interface StepSpec {
  readonly config: AlbertConfig;
  readonly objective: Objective;
  readonly optimizer: OptimizerOptions;
  /** Dropout on the pooled output (or inside the answerability head) while training. 0.1 in the official scripts. */
  readonly headDropout: number;
  /** Of single-label classification. Default: cross-entropy. */
  readonly loss?: ClassificationLoss;
  /** Of the objective `contrastive`, which needs it. */
  readonly contrastive?: ContrastiveLoss;
  /** What is learnt from a teacher besides the labels; `objective.taught` is then present too, but in pretraining. Default: nothing. */
  readonly distillation?: Distillation;
  /** Names of the parameters that stay as they are. Default none. */
  readonly frozen?: ReadonlySet<string>;
  /**
   * `cached`: the trunk does not run; batches bring its output, `pooled_output` [B,H] ([B,C,H] for multiple choice) or
   * `sequence_output` [B,S,H] for spans, instead of the input ids. Every trunk parameter must then be frozen.
   */
  readonly trunk?: "computed" | "cached";
  /** Decay of the moving average of parameters. Absent: none is kept. */
  readonly emaDecay?: number;
}

/** What one optimizer step reports. */
export interface StepResult {
  /** Loss of the whole step before the update, its micro-batches weighted as if they were one batch. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Objective-specific sums over the step by the names of `metricNames`, and `weight`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What changes from step to step besides the data. */
export interface StepOptions {
  readonly learningRate: number;
  /** 64-bit counter seed as two 32-bit halves; dropout masks are a pure function of it. */
  readonly seed: readonly [number, number];
}

/**
 * Runs optimizer steps over a state it owns. Two implementations compute the same numbers: `onnx` (a traced graph on ONNX
 * Runtime, or on OpenVINO) and `tfjs` (the same functions eagerly).
 */
export interface Executor {
  /** One optimizer step over one or more micro-batches (gradient accumulation), each of any bucket. */
  step(microBatches: readonly Batch[], options: StepOptions): Promise<StepResult>;
  /**
   * As many optimizer steps as batches in one run of a graph; batches have one shape. The numbers are those of single steps.
   * Absent: this executor takes one step at a time.
   */
  steps?(batches: readonly Batch[], options: readonly StepOptions[]): Promise<StepResult[]>;
  /** A copy of the state, safe to write to disk while training goes on. */
  snapshot(): Promise<TrainState>;
  close(): Promise<void>;
}

/** Where and how to run. */
export interface ExecutorOptions {
  readonly kind: "onnx" | "tfjs";
  /** Ignored by `tfjs`, which takes the best backend that is installed. */
  readonly device: DeviceKind;
  /** Threads on the processor. Absent: the runtime decides. */
  readonly threads?: number;
  /**
   * What matrix products are computed in; loss, normalisations, sums of gradients, update and state are float32 in every case. Default fp32; bf16 is for `openvino`, on a processor that has it.
   */
  readonly precision?: "fp32" | "bf16";
  /** Where OpenVINO is, for its device. */
  readonly openVino?: Pick<OpenVinoPlaces, "library">;
}

/** `openExecutor` of `training/executors/open-executor.ts` has this type; the state handed over is copied. */
export type OpenExecutor = (spec: StepSpec, state: TrainState, options: ExecutorOptions) => Promise<Executor>;
