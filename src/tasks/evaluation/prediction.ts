import type { Example, TaskName } from "../datasets/examples.ts";
import type { TaskModel } from "../plan.ts";
import type { OffsetSource } from "../question-answering/squad-features.ts";
import type { SquadPrediction } from "../question-answering/squad-predictions.ts";
import type { SequenceRunner } from "./run-sequences.ts";

// What an evaluation takes and gives, for every kind of task. Types only.

/** How examples become sequences and answers; what is left out takes the value that serving would. */
export interface EvaluationOptions {
  /** Name of the head, where the model has several of the task's kind. */
  readonly head?: string;
  /** `--max_seq_length` */
  readonly maxSequenceLength?: number;
  /** `--doc_stride` */
  readonly docStride?: number;
  /** `--max_query_length` */
  readonly maxQueryLength?: number;
  /** `--max_qa_length` */
  readonly maxQaLength?: number;
  /** `--n_best_size` */
  readonly nBestSize?: number;
  /** `--max_answer_length` */
  readonly maxAnswerLength?: number;
  /** `--null_score_diff_threshold`; tuned on this very data when left out. */
  readonly nullThreshold?: number;
  /**
   * Where spans lie in the context. "exact" (the default, as in serving): the tokenizer's own offsets. "official": Google's
   * alignment, which drops questions it cannot align.
   */
  readonly offsets?: OffsetSource;
  /**
   * How SQuAD v2 thresholds are found and applied. "corrected" (the default): the threshold that is best for "answer if the
   * null score is below it". "official": as Google's script, which counts the question on the threshold as answered while it
   * searches, starts from 0.0, and takes every null score above 1.0 for "no answer".
   */
  readonly thresholds?: "corrected" | "official";
  /** Called after each example, in order. */
  readonly onProgress?: (examples: number) => void;
  readonly signal?: AbortSignal;
}

/** The prediction for one text. */
export interface ClassificationPrediction {
  readonly id: string;
  /** Softmax or sigmoid probabilities in the order of the head's labels; the single raw value for a regression. */
  readonly probabilities: readonly number[];
  /** Name of the predicted label, names for a multi-label head, the value for a regression. */
  readonly predicted: string | readonly string[] | number;
}

/** The prediction for one question with choices. */
export interface ChoicePrediction {
  readonly id: string;
  readonly probabilities: readonly number[];
  readonly predicted: number;
}

/** What the vectors say of one anchor. */
export interface RetrievalPrediction {
  readonly id: string;
  /** The nearest text of all; of a pair with a score its own. */
  readonly predicted: string;
  /** Cosine of the anchor and its nearest right text. */
  readonly similarity: number;
  /** Place of the right text among all, from 1: texts that are as near count before it. Absent for a pair with a score. */
  readonly rank?: number;
  /** Cosine of the right text less that of the nearest wrong one. Absent for a pair with a score, and where there is no other text. */
  readonly margin?: number;
}

/** Predictions in the order of the examples. */
export type DatasetPredictions =
  | { readonly kind: "classification"; readonly rows: readonly ClassificationPrediction[] }
  | {
      readonly kind: "questions";
      readonly rows: readonly SquadPrediction[];
      /** Applied to `rows` for the final answers; null where the head always answers. */
      readonly nullThreshold: number | null;
    }
  | { readonly kind: "choices"; readonly rows: readonly ChoicePrediction[] }
  | { readonly kind: "retrieval"; readonly rows: readonly RetrievalPrediction[] };

export interface DatasetEvaluation {
  /**
   * Official names first of all (`eval_accuracy`, `eval_loss`, `matthew_corr`, `pearson`, `MSE`, `exact_match`, `exact`, `f1`,
   * `null_score_diff_threshold`), and more. Empty where the examples hold nothing to compare with.
   */
  readonly metrics: Readonly<Record<string, number>>;
  readonly predictions: DatasetPredictions;
  readonly examples: number;
  /** Tokens that were computed. */
  readonly tokens: number;
}

/** Examples of one kind, with everything that evaluates them. */
export interface EvaluationInput<E extends Example> {
  readonly engine: SequenceRunner;
  readonly model: TaskModel;
  readonly task: TaskName;
  readonly examples: AsyncIterable<E>;
  readonly options: EvaluationOptions;
}
