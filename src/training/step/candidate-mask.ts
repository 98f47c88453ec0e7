import { sizeOf } from "../../model/tensor.ts";
import type { BatchTensorSpec } from "../objectives.ts";
import type { BatchTensor } from "./training-step.ts";

/**
 * Which texts of a batch count for each anchor: its own partner as the right one, and as wrong ones all partners and negatives of all
 * rows but those that are known to belong to it: the anchor's own text, and every partner of the same anchor text in the batch.
 *
 * @param spec   float32 [rows, rows * candidates]
 * @param texts  of each row, as whatever is equal for equal texts: the anchor, its partner, its negatives; none of a row that is filler
 */
export function candidateMask({ shape }: BatchTensorSpec, texts: readonly (readonly string[])[]): BatchTensor {
  const data = new Float32Array(sizeOf(shape));
  const width = shape[1]!;
  const perRow = width / texts.length;
  const belonging = new Map<string, Set<string>>();
  for (const [anchor, partner] of texts) {
    if (anchor === undefined || partner === undefined) continue;
    const known = belonging.get(anchor) ?? new Set([anchor]);
    belonging.set(anchor, known.add(partner));
  }
  texts.forEach(([anchor], row) => {
    const known = anchor === undefined ? undefined : belonging.get(anchor);
    texts.forEach(([, ...candidates], other) => {
      candidates.forEach((text, at) => {
        if (known !== undefined && !known.has(text)) data[row * width + other * perRow + at] = 1;
      });
    });
    data[row * width + row * perRow] = 1;
  });
  return { shape, data };
}
