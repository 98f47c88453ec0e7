import type { Repeats } from "../model/directory/model-directory.ts";
import type { BestResult } from "./checkpoints.ts";

// What a run reports while it goes on. Types only.

/** Why a run ended without an error. */
export type StopReason =
  /** All steps of the schedule were taken. */
  | "completed"
  /** As many steps were taken as the run may have at most; its schedule would go on. */
  | "max-steps"
  /** The metric did not improve for as many evaluations as patience allows. */
  | "early-stopping"
  /** The signal was aborted: cancelled, paused or interrupted. The newest checkpoint is of the last step taken. */
  | "aborted"
  /** The time limit was reached. */
  | "deadline";

/** Everything a run says while it goes on, in order. Consumers must tolerate kinds they do not know. */
export type TrainingEvent =
  | {
      readonly kind: "started";
      /** What computes the steps, such as `openvino, bf16, 2 threads`. */
      readonly computedOn?: string;
      readonly firstStep: number;
      /** Steps that will be taken at most: of the schedule, or of a bound below it. */
      readonly totalSteps: number;
      readonly stepsPerEpoch: number;
      readonly parameters: number;
    }
  | {
      readonly kind: "step_metrics";
      /** Optimizer steps taken so far. */
      readonly step: number;
      /** Passes over the data, with its fraction. */
      readonly epoch: number;
      /** Mean over the steps since the last event of this kind. */
      readonly loss: number;
      readonly learningRate: number;
      /** Global norm of the last step's gradient before clipping. */
      readonly gradNorm: number;
      readonly examplesSeen: number;
      /** Tokens of real text, without padding. */
      readonly tokensSeen: number;
      readonly tokensPerSecond: number;
      /** Share of computed tokens that were padding, since the last event of this kind. */
      readonly paddingShare: number;
      /** Share of the time spent waiting for data, since the last event of this kind. */
      readonly dataWaitShare: number;
      /** Seconds to the last scheduled step: from the fastest and from the slowest recent interval. */
      readonly etaSeconds: readonly [low: number, high: number];
      readonly residentBytes: number;
      /** The objective's sums (correct predictions and the like) since the last event of this kind. */
      readonly metrics: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: "eval_result";
      readonly step: number;
      readonly metrics: Readonly<Record<string, number>>;
      /** Whether this is the best value of the selection metric so far. */
      readonly best: boolean;
      /** The best value of the selection metric up to now; absent where nothing is selected. */
      readonly bestSoFar?: BestResult;
      readonly seconds: number;
    }
  | {
      readonly kind: "checkpoint_written";
      readonly step: number;
      readonly bytes: number;
      readonly seconds: number;
    }
  | { readonly kind: "checkpoint_pruned"; readonly step: number }
  | { readonly kind: "warning"; readonly reason: string; readonly message: string }
  | { readonly kind: "resumed"; readonly step: number }
  | { readonly kind: "diverged"; readonly step: number; readonly reason: string; readonly message: string }
  | {
      readonly kind: "rolled_back";
      readonly fromStep: number;
      readonly toStep: number;
      readonly attempt: number;
      readonly learningRateScale: number;
    }
  /** One of several runs begins; `index` counts from 0. */
  | {
      readonly kind: "repeat_begun";
      readonly name: string;
      readonly index: number;
      readonly count: number;
      /** Optimizer steps of the runs before it, from which its own are counted on. */
      readonly stepsBefore: number;
    }
  /** What several runs gave, in words and as figures. */
  | { readonly kind: "repeats_done"; readonly message: string; readonly report: Repeats }
  | {
      readonly kind: "finished";
      readonly stoppedBy: StopReason;
      readonly step: number;
      readonly metrics: Readonly<Record<string, number>>;
    };
