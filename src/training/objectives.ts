import { invalidInput } from "../errors.ts";
import type { Answerer, Head, HeadKind } from "../model/heads.ts";

// What training minimises for each kind of head: the tensors of a batch and the terms of the loss. The arithmetic is
// elsewhere.

/**
 * What a training run minimises.
 *
 * - `classification`: softmax cross-entropy over the head's labels, mean over examples.
 * - `regression`: squared error of the single output, mean over examples.
 * - `multi-label`: sigmoid cross-entropy, mean over labels, then over examples.
 * - `span`: mean of the start's and the end's cross-entropy over all positions (SQuAD v1).
 * - `span-answerability`: the same with impossible positions masked and the end conditioned on the true start, plus
 *   half the sigmoid cross-entropy of "cannot be answered" (SQuAD v2).
 * - `multiple-choice`: softmax cross-entropy over the choices of a question (RACE).
 * - `contrastive`: how well each anchor's vector tells its own partner from every other text of the batch (`ContrastiveLoss`).
 * - `pretraining`: masked-LM cross-entropy over the weighted positions plus sentence-order cross-entropy.
 */
export type ObjectiveKind =
  | "classification"
  | "regression"
  | "multi-label"
  | "span"
  | "span-answerability"
  | "multiple-choice"
  | "contrastive"
  | "pretraining";

/** An objective and the heads it trains: one, for vectors none, or for pretraining a masked-LM head and a sentence-order head. */
export interface Objective {
  readonly kind: ObjectiveKind;
  readonly heads: readonly Head[];
  /**
   * Present where a teacher is learnt from: batches then say which examples have a label of their own, and bring the teacher's
   * answers where these are `stored`. Answers that are `computed` come of the step itself.
   */
  readonly taught?: "stored" | "computed";
}

/** The sizes of one bucket of batches. */
export interface BatchSizes {
  /** B: examples per micro-batch; for multiple choice questions, for packed pretraining rows. */
  readonly examples: number;
  /** S: tokens per sequence. */
  readonly length: number;
  /** C: choices per question; of pairs texts per row, the anchor and its candidates. */
  readonly choices?: number;
  /** M: masked positions per row. */
  readonly predictions?: number;
  /** N: segments packed into one row of pretraining. Absent: rows are not packed. */
  readonly segments?: number;
  /** H, when batches bring the trunk's output instead of token ids (`StepSpec.trunk` is `cached`). */
  readonly cachedWidth?: number;
}

/** Name, shape and element type of one tensor of a batch. */
export interface BatchTensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "int32" | "float32";
}

/**
 * One weighted mean of a loss: sum(weight * loss) / (sum(weight) + epsilon) over every micro-batch of a step. The
 * denominator is known before the step runs, which makes gradients of micro-batches add up exactly.
 */
export interface LossTerm {
  readonly name: "examples" | "labels" | "masked_lm" | "sentence_order";
  /** The batch tensor that holds the weights. */
  readonly weights: string;
  readonly epsilon: number;
}

/** The loss of one head trained on its own; pretraining heads are trained together by `pretrainingObjective`. */
export function objectiveOf(head: Answerer): Objective {
  switch (head.kind) {
    case "vectors":
      return { kind: "contrastive", heads: [] };
    case "classification": {
      const kind = head.problemType === "single-label" ? "classification" : head.problemType;
      return { kind, heads: [head] };
    }
    case "span":
    case "span-answerability":
    case "multiple-choice":
      return { kind: head.kind, heads: [head] };
    case "masked-lm":
    case "sentence-order":
      throw invalidInput([
        { field: "head", description: `${head.kind} is trained by the pretraining objective, with its companion head` },
      ]);
  }
}

/** ALBERT pretraining: masked language modelling and sentence order together. */
export function pretrainingObjective(maskedLm: Head, sentenceOrder: Head): Objective {
  requireKind(maskedLm, "masked-lm");
  requireKind(sentenceOrder, "sentence-order");
  return { kind: "pretraining", heads: [maskedLm, sentenceOrder] };
}

function requireKind(head: Head, kind: HeadKind): void {
  if (head.kind !== kind) {
    throw invalidInput([{ field: "heads", description: `expected a ${kind} head, got ${head.kind} ${head.name}` }]);
  }
}

/**
 * The tensors of a batch, in a fixed order. Ids, labels and positions are int32; masks, weights and real-valued targets
 * are float32.
 *
 * | tensor | shape | of | meaning |
 * |---|---|---|---|
 * | input_ids, segment_ids | [B,S] ([B,C,S] for multiple choice and pairs) | all | token and segment ids; anything where masked |
 * | input_mask | as input_ids | all | 1 token, 0 padding |
 * | example_weights | [B] | all but pretraining | 1 real, 0 filler of the last partial batch |
 * | label_ids | [B] | classification, multiple-choice, contrastive | index of the label, of the right choice, or among all candidates of the partner |
 * | choice_mask | [B,C] | multiple-choice | 1 choice, 0 filler where a question has fewer than C |
 * | candidate_mask | [B,B*(C-1)] | contrastive | 1 where the text counts for the row's anchor: its own partner, and whatever is not known to belong to it |
 * | label_values | [B] | regression | target |
 * | label_targets | [B,labels] | multi-label | 1 where the label applies |
 * | start_positions, end_positions | [B] | span, span-answerability | token index, 0 when there is no answer |
 * | p_mask | [B,S] | span-answerability | 1 where no answer may start or end |
 * | is_impossible | [B] | span-answerability | 1 without answer |
 * | masked_lm_positions, masked_lm_ids | [B,M] | pretraining | position in the row and original id |
 * | masked_lm_weights | [B,M] | pretraining | 1 masked position, 0 filler (position 0) |
 * | next_sentence_labels | [B,N] | pretraining | 0 in order, 1 swapped; N = 1 unless packed |
 * | next_sentence_weights | [B,N] | pretraining | 1 real, 0 filler |
 * | position_ids | [B,S] | packed pretraining | position inside the packed segment |
 * | attention_blocks | [B,S] | packed pretraining | tokens attend only to tokens of the same block number |
 * | cls_positions | [B,N] | packed pretraining | position of each segment's first token in the row |
 * | label_weights | [B] | with a teacher | 1 where the example has a label, 0 for unlabelled text and filler |
 * | teacher_logits | [B,labels] ([B,C]) | stored answers of a teacher | its logits; anything for a choice that is filler |
 * | pooled_output | [B,H] ([B,C,H]) | cached trunk, heads on the pooled output | stands for the first three |
 * | sequence_output | [B,S,H] | cached trunk, span heads | stands for the first three |
 */
export function batchTensors(objective: Objective, sizes: BatchSizes): BatchTensorSpec[] {
  if (sizes.cachedWidth !== undefined) return cachedTensors(objective, sizes, sizes.cachedWidth);
  const { examples: B, length: S } = sizes;
  const ids = (name: string, ...shape: number[]): BatchTensorSpec => ({ name, shape, dtype: "int32" });
  const reals = (name: string, ...shape: number[]): BatchTensorSpec => ({ name, shape, dtype: "float32" });
  const sequences = (...shape: number[]): BatchTensorSpec[] => [
    ids("input_ids", ...shape),
    reals("input_mask", ...shape),
    ids("segment_ids", ...shape),
  ];
  const answers = (count: number) => (objective.taught === "stored" ? [reals("teacher_logits", B, count)] : []);
  const labelled = objective.taught === undefined ? [] : [reals("label_weights", B)];
  const weights = [reals("example_weights", B), ...labelled];
  switch (objective.kind) {
    case "classification":
      return [...sequences(B, S), ...weights, ids("label_ids", B), ...answers(labelCount(objective.heads[0]))];
    case "regression":
      return [...sequences(B, S), ...weights, reals("label_values", B), ...answers(1)];
    case "multi-label": {
      const labels = labelCount(objective.heads[0]);
      return [...sequences(B, S), ...weights, reals("label_targets", B, labels), ...answers(labels)];
    }
    case "span":
      return [...sequences(B, S), ...weights, ids("start_positions", B), ids("end_positions", B)];
    case "span-answerability":
      return [
        ...sequences(B, S),
        ...weights,
        ids("start_positions", B),
        ids("end_positions", B),
        reals("p_mask", B, S),
        reals("is_impossible", B),
      ];
    case "multiple-choice": {
      const C = required(sizes, "choices");
      return [...sequences(B, C, S), ...weights, ids("label_ids", B), reals("choice_mask", B, C), ...answers(C)];
    }
    case "contrastive": {
      const C = required(sizes, "choices");
      return [...sequences(B, C, S), ...weights, ids("label_ids", B), reals("candidate_mask", B, B * (C - 1))];
    }
    case "pretraining": {
      const M = required(sizes, "predictions");
      const N = sizes.segments ?? 1;
      return [
        ...sequences(B, S),
        ids("masked_lm_positions", B, M),
        ids("masked_lm_ids", B, M),
        reals("masked_lm_weights", B, M),
        ids("next_sentence_labels", B, N),
        reals("next_sentence_weights", B, N),
        ...(sizes.segments === undefined
          ? []
          : [ids("position_ids", B, S), ids("attention_blocks", B, S), ids("cls_positions", B, N)]),
      ];
    }
  }
}

function cachedTensors(objective: Objective, sizes: BatchSizes, width: number): BatchTensorSpec[] {
  if (objective.kind === "pretraining") {
    throw invalidInput([{ field: "trunk", description: "pretraining trains the trunk; its output cannot be cached" }]);
  }
  const { cachedWidth: _, ...computed } = sizes;
  const [inputIds, , , ...rest] = batchTensors(objective, computed);
  const shape = inputIds!.shape;
  const sequence = objective.kind === "span" || objective.kind === "span-answerability";
  return [
    sequence
      ? { name: "sequence_output", shape: [...shape, width], dtype: "float32" }
      : { name: "pooled_output", shape: [...shape.slice(0, -1), width], dtype: "float32" },
    ...rest,
  ];
}

/** The weighted means that add up to an objective's loss. */
export function lossTerms(objective: Objective): readonly LossTerm[] {
  if (objective.kind !== "pretraining") {
    const examples: LossTerm = { name: "examples", weights: "example_weights", epsilon: 0 };
    return objective.taught === undefined
      ? [examples]
      : [examples, { name: "labels", weights: "label_weights", epsilon: 0 }];
  }
  return [
    { name: "masked_lm", weights: "masked_lm_weights", epsilon: 1e-5 },
    { name: "sentence_order", weights: "next_sentence_weights", epsilon: 0 },
  ];
}

function labelCount(head: Head | undefined): number {
  return head?.kind === "classification" ? head.labels.length : 0;
}

function required(sizes: BatchSizes, key: "choices" | "predictions"): number {
  const value = sizes[key];
  if (value === undefined) throw invalidInput([{ field: key, description: `this objective needs ${key} per example` }]);
  return value;
}
