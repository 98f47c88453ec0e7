import { stratifiedSplit } from "../folds.ts";
import { acceptedExamples, type DatasetSpec, datasetRows } from "../rows/dataset-rows.ts";
import type { SplitRule } from "../split.ts";
import { LineFile } from "./line-file.ts";
import { lineOfRow } from "./line-of-row.ts";

// Divides the rows of a data set into two files.

export interface SplitRows {
  readonly train: number;
  readonly heldOut: number;
  /** Rows that cannot be used. */
  readonly leftOut: number;
}

/**
 * Writes the usable rows of a data set into two new files of its format, about the same share of every label into each.
 *
 * @throws AlbertError invalid-input where one of them would be empty
 */
export async function writeSplit(
  spec: DatasetSpec,
  rule: SplitRule,
  outputs: { readonly train: string; readonly heldOut: string },
  signal?: AbortSignal,
): Promise<SplitRows> {
  const isHeldOut = await stratifiedSplit(acceptedExamples(spec), rule);
  const train = new LineFile(outputs.train);
  const heldOut = new LineFile(outputs.heldOut);
  let [index, leftOut] = [0, 0];
  const rows = { train: 0, heldOut: 0 };
  try {
    for await (const row of datasetRows(spec)) {
      signal?.throwIfAborted();
      if (row.kind === "file") {
        if (row.header !== undefined) for (const file of [train, heldOut]) file.add(lineOfRow(row));
      } else if (row.example === undefined) leftOut++;
      else {
        const side = isHeldOut[index++] === 1 ? "heldOut" : "train";
        rows[side]++;
        (side === "train" ? train : heldOut).add(lineOfRow(row));
      }
    }
  } finally {
    train.close();
    heldOut.close();
  }
  return { ...rows, leftOut };
}
