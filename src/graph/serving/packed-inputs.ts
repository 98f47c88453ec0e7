import type { Dim } from "../onnx/graph-builder.ts";
import type { OnnxType } from "../onnx/tensors.ts";

// The inputs and outputs of serving graphs, by name and type: the contract between the graph and what feeds it.

/**
 * Where a graph finds one of the values that describe a batch: a serving graph declares an input of that name and type, an
 * exported graph computes it. @returns the value's name in the graph
 */
export type Feed = (name: string, dtype: OnnxType, dims: readonly Dim[]) => string;

/**
 * Inputs of every serving graph. A batch is packed: its sequences lie end to end without padding, so a "row" below is one
 * token of one sequence. T rows, B sequences, S the longest of them. Everything is int32 unless said otherwise.
 */
export const PACKED_INPUTS = {
  /** [T] token ids. */
  inputIds: "input_ids",
  /** [T] positions inside each sequence, from 0. */
  positionIds: "position_ids",
  /** [T] segment ids. */
  tokenTypeIds: "token_type_ids",
  /** [P] rows of the first tokens that are pooled; heads on the pooled output refer to this list. */
  firstIndex: "first_index",
  /** [N] entries of `first_index` whose pooled output is wanted as it is. */
  pooledIndex: "pooled_index",
  /** [R] rows whose last hidden state is wanted as it is. */
  sequenceIndex: "sequence_index",
} as const;

/**
 * Inputs that only attention reads; which of them a graph has depends on its target. `pad_index` lays the rows out as
 * [B, S]; a place without a token repeats the first row of its own sequence, so that nothing of one sequence is ever
 * multiplied, even by zero, into another.
 */
export const ATTENTION_INPUTS = {
  /** [B, S] row of each place. */
  padIndex: "pad_index",
  /** [T] place (b * S + s) of each row. */
  unpadIndex: "unpad_index",
  /** [B, S] 1 for a token, 0 for a place without one. */
  keyMask: "key_mask",
  /** [B, S] places of all tokens in row order, then all places without one. */
  tokenOffset: "token_offset",
  /** [B + 1] first row of each sequence, then T. */
  cumulativeLengths: "cumulative_lengths",
} as const;

/** Inputs of one head: `headInput("sentiment", "index")`. */
export function headInput(head: string, input: HeadInput): string {
  return `head/${head}/${input}`;
}

/**
 * - `index`: which rows (token heads) or entries of `first_index` (pooled heads) the head works on; [n], may be empty
 * - span-answerability only: `starts` and `lengths` [n] of each sequence in rows, `start_top_n` and `end_top_n` [n] int64
 *   beam widths (at most the sequence's length), `widest` [2] int64 the largest of each, `answer_mask` float32 [T]
 */
export type HeadInput = "index" | "starts" | "lengths" | "start_top_n" | "end_top_n" | "widest" | "answer_mask";

/** Outputs of one head: `headOutput("sentiment", "logits")`. */
export function headOutput(head: string, output: HeadOutput): string {
  return `head/${head}/${output}`;
}

export type HeadOutput =
  | "logits"
  | "start_log_probs"
  | "start_indexes"
  | "end_log_probs"
  | "end_indexes"
  | "answerability_logits";

/** Outputs of the trunk. */
export const TRUNK_OUTPUTS = { pooled: "pooled_output", sequence: "sequence_output" } as const;
