import { invariant } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import { batchTensors, type Objective } from "../../training/objectives.ts";
import type { Batch } from "../../training/step/training-step.ts";
import type { PretrainingInstance } from "./instance.ts";

// Lays several instances into each row of a training batch.

/** Shape of a micro-batch of packed rows. */
export interface PackedSizes {
  /** B: rows. */
  readonly rows: number;
  /** S: tokens of a row. */
  readonly rowLength: number;
  /** N: most instances in a row. */
  readonly segments: number;
  /** M: most predictions in a row. */
  readonly predictions: number;
}

/** Most predictions that instances of `rowLength` tokens together can hold: each rounds its share up by half at most. */
export function packedPredictions(rowLength: number, segments: number, maskedLmProb: number, cap: number): number {
  return Math.min(Math.ceil(maskedLmProb * rowLength + segments / 2), cap * segments);
}

/**
 * Lays rows of several instances into one micro-batch. Every instance keeps its own positions and attends to itself only,
 * so that it gives the same logits and gradients as in a row of its own.
 *
 * @param rows at most `sizes.rows`; missing rows repeat the first one with weight 0
 */
export function packedBatch(
  objective: Objective,
  rows: readonly (readonly PretrainingInstance[])[],
  sizes: PackedSizes,
): Batch {
  invariant(rows.length > 0 && rows.length <= sizes.rows, `${rows.length} rows for a batch of ${sizes.rows}`);
  const { rows: B, rowLength: S, segments: N, predictions: M } = sizes;
  const specs = batchTensors(objective, { examples: B, length: S, predictions: M, segments: N });
  const batch = Object.fromEntries(
    specs.map(({ name, shape, dtype }) => {
      const data = dtype === "int32" ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
      return [name, { shape, data }];
    }),
  );
  const of = (name: string) => batch[name]!.data; // every name below is one of the objective's
  for (let row = 0; row < B; row++) {
    const filler = row >= rows.length;
    let token = row * S;
    let prediction = row * M;
    of("attention_blocks").fill(N, token, token + S); // padding is a block of its own
    for (const [index, instance] of (rows[row] ?? rows[0]!).entries()) {
      const T = instance.inputIds.length;
      const offset = token - row * S;
      invariant(index < N && offset + T <= S, `row ${row} overflows ${N} segments or ${S} tokens`);
      of("input_ids").set(instance.inputIds, token);
      of("segment_ids").set(instance.segmentIds, token);
      of("input_mask").fill(1, token, token + T);
      of("attention_blocks").fill(index, token, token + T);
      for (let t = 0; t < T; t++) of("position_ids")[token + t] = t;
      const segment = row * N + index;
      of("cls_positions")[segment] = offset;
      of("next_sentence_labels")[segment] = instance.label;
      of("next_sentence_weights")[segment] = filler ? 0 : 1;
      for (const [p, position] of instance.maskedPositions.entries()) {
        invariant(prediction < (row + 1) * M, `row ${row} holds more than ${M} predictions`);
        of("masked_lm_positions")[prediction] = offset + position;
        of("masked_lm_ids")[prediction] = instance.maskedIds[p]!;
        of("masked_lm_weights")[prediction] = filler ? 0 : 1;
        prediction++;
      }
      token += T;
    }
  }
  return batch;
}
