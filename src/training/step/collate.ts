import { invariant } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import { type BatchSizes, type BatchTensorSpec, batchTensors, type Objective } from "../objectives.ts";
import { candidateMask } from "./candidate-mask.ts";
import type { Bucket } from "./length-buckets.ts";
import type { Batch, BatchTensor } from "./training-step.ts";

// Lays training records into the fixed shapes of a batch.

/**
 * One training example: tensors by the names of `batchTensors`, without the batch axis and without padding. `input_ids`
 * and `segment_ids` of several sequences (the choices of a question, the texts of a pair) lie end to end, and `sequence_lengths` says where
 * each ends. Masks and example weights are not stored; collation makes them.
 */
export type TrainingRecord = Readonly<Record<string, Int32Array | Float32Array>>;

/** Where padding must not be 0: no answer may lie in it. */
const FILL: Readonly<Record<string, number>> = { p_mask: 1 };

/** Tokens of a record's longest sequence. */
export function recordLength(record: TrainingRecord): number {
  return Math.max(...lengthsOf(record));
}

/** A record's sequences, one by one. */
export function sequencesOf(record: TrainingRecord): { inputIds: Int32Array; segmentIds: Int32Array }[] {
  let from = 0;
  return Array.from(lengthsOf(record), (length) => {
    const to = from + length;
    const slice = (name: string) => Int32Array.from(record[name]!.subarray(from, to));
    const sequence = { inputIds: slice("input_ids"), segmentIds: slice("segment_ids") };
    from = to;
    return sequence;
  });
}

/** Tokens of all of a record's sequences. */
export function recordTokens(record: TrainingRecord): number {
  return Array.from(lengthsOf(record)).reduce((sum, length) => sum + length, 0);
}

/**
 * Lays examples into the fixed shapes of one bucket. Rows beyond the examples are filler of weight 0; they repeat the
 * first example's tokens, so that no row is without a token to attend to.
 *
 * @param sizes  what the bucket does not say: choices, predictions
 */
export function collate(
  objective: Objective,
  records: readonly TrainingRecord[],
  bucket: Bucket,
  sizes: Omit<BatchSizes, "examples" | "length"> = {},
): Batch {
  invariant(records.length > 0 && records.length <= bucket.rows, `${records.length} examples for ${bucket.rows} rows`);
  const rows = Array.from({ length: bucket.rows }, (_, row) => records[row] ?? records[0]!);
  const specs = batchTensors(objective, { ...sizes, examples: bucket.rows, length: bucket.sequenceLength });
  const contrastive = objective.kind === "contrastive";
  return Object.fromEntries(
    specs.map((spec) => {
      if (contrastive && spec.name === "candidate_mask") {
        return [spec.name, candidateMask(spec, textsOf(rows, records.length))];
      }
      if (contrastive && spec.name === "label_ids") return [spec.name, partnersOf(bucket.rows, sizes.choices)];
      return [spec.name, tensorOf(spec, rows, records.length)];
    }),
  );
}

/** Where each anchor's partner stands among the candidates of all rows: first of its own. */
function partnersOf(rows: number, choices = 2): BatchTensor {
  return { shape: [rows], data: Int32Array.from({ length: rows }, (_, row) => row * (choices - 1)) };
}

/** The texts of each row as their token ids; a row that is filler has none. */
function textsOf(rows: readonly TrainingRecord[], real: number): readonly (readonly string[])[] {
  return rows.map((record, row) => (row < real ? sequencesOf(record).map(({ inputIds }) => inputIds.join(" ")) : []));
}

function tensorOf({ name, shape, dtype }: BatchTensorSpec, rows: readonly TrainingRecord[], real: number) {
  const data = dtype === "int32" ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  const fill = FILL[name];
  if (fill !== undefined) data.fill(fill);
  const rowSize = data.length / rows.length;
  for (const [row, record] of rows.entries()) {
    const target = data.subarray(row * rowSize, (row + 1) * rowSize);
    const filler = row >= real;
    switch (name) {
      case "example_weights":
        target[0] = filler ? 0 : 1;
        break;
      case "input_mask":
        for (const [at, length] of placements(record, shape)) target.fill(1, at.target, at.target + length);
        break;
      case "input_ids":
      case "segment_ids":
        for (const [at, length] of placements(record, shape)) {
          target.set(record[name]!.subarray(at.source, at.source + length), at.target);
        }
        break;
      case "choice_mask":
        target.fill(1, 0, lengthsOf(record).length);
        break;
      case "label_weights":
      case "masked_lm_weights":
      case "next_sentence_weights":
        if (!filler) target.set(record[name]!);
        break;
      default: {
        const values = record[name];
        invariant(values !== undefined, `a record has no ${name}`);
        target.set(values);
      }
    }
  }
  return { shape, data };
}

/** Where each sequence of a record begins in the record and in its row of shape [S] or [C,S]. */
function* placements(
  record: TrainingRecord,
  shape: readonly number[],
): Generator<readonly [{ readonly source: number; readonly target: number }, number]> {
  const S = shape.at(-1)!;
  let source = 0;
  for (const [index, length] of lengthsOf(record).entries()) {
    invariant(length <= S, `a sequence of ${length} tokens does not fit ${S}`);
    yield [{ source, target: index * S }, length];
    source += length;
  }
}

function lengthsOf(record: TrainingRecord): Int32Array {
  return (record["sequence_lengths"] as Int32Array | undefined) ?? Int32Array.of(record["input_ids"]!.length); // lengths are int32
}
