import type { SequenceInput } from "../engine.ts";
import type { HostTensor } from "../session/ort.ts";

// Picks rows and sequences of a packed batch for the heads that read them.

/** A one-dimensional int32 input. */
export function int32(values: readonly number[] | Int32Array): HostTensor {
  const data = values instanceof Int32Array ? values : Int32Array.from(values);
  return { dtype: "int32", dims: [data.length], data };
}

/** All rows of the sequences that asked for an output, in order. */
export function rowsOf(sequences: readonly SequenceInput[], starts: Int32Array, output: string): number[] {
  const rows: number[] = [];
  sequences.forEach(({ outputs }, index) => {
    if (!outputs.includes(output)) return;
    for (let row = starts[index]!; row < starts[index + 1]!; row++) rows.push(row);
  });
  return rows;
}

/** Indexes of the sequences for which `holds`. */
export function indexesWhere(
  sequences: readonly SequenceInput[],
  holds: (sequence: SequenceInput) => boolean,
): number[] {
  return sequences.flatMap((sequence, index) => (holds(sequence) ? [index] : []));
}
