import { type HeadInput, headInput } from "../../graph/serving/packed-inputs.ts";
import { HEADS, type Head } from "../../model/heads.ts";
import type { SequenceInput } from "../engine.ts";
import type { HostTensor, HostTensors } from "../session/ort.ts";
import { indexesWhere, int32, rowsOf } from "./row-selection.ts";

// Which rows of a packed batch each head reads.

/** Official beam widths of the SQuAD v2 scripts. */
const DEFAULT_TOP_N = 5;

/** A packed batch as one head sees it. */
export interface HeadView {
  readonly sequences: readonly SequenceInput[];
  /** First row of each sequence, then T. */
  readonly starts: Int32Array;
  readonly tokens: number;
  /** Entry in `first_index` of each sequence that is pooled. */
  readonly pooledEntry: ReadonlyMap<number, number>;
}

/** The inputs by which one head learns which rows or sequences want it. */
export function selectHead(head: Head, view: HeadView): HostTensors {
  const { sequences, starts, pooledEntry } = view;
  const asking = indexesWhere(sequences, ({ outputs }) => outputs.includes(head.name));
  if (head.kind === "span-answerability") return selectSpans(head, view, asking);
  const name = headInput(head.name, "index");
  return { [name]: int32(readRows()) };

  function readRows(): number[] {
    switch (HEADS[head.kind].reads) {
      case "pooled":
        return asking.map((sequence) => pooledEntry.get(sequence)!);
      case "tokens":
        return rowsOf(sequences, starts, head.name);
      case "masked-positions":
        return asking.flatMap((sequence) =>
          Array.from(sequences[sequence]!.maskedPositions ?? [], (position) => starts[sequence]! + position),
        );
    }
  }
}

/** Beam widths of a sequence: as asked, but never more than it has positions. */
export function beamOf({ startTopN, endTopN, inputIds }: SequenceInput): { starts: number; ends: number } {
  return {
    starts: Math.min(startTopN ?? DEFAULT_TOP_N, inputIds.length),
    ends: Math.min(endTopN ?? DEFAULT_TOP_N, inputIds.length),
  };
}

/** Beam widths of a sequence as its caller wants them answered, whatever its length. */
export function askedBeamOf({ startTopN, endTopN }: SequenceInput): { starts: number; ends: number } {
  return { starts: startTopN ?? DEFAULT_TOP_N, ends: endTopN ?? DEFAULT_TOP_N };
}

function selectSpans(head: Head, { sequences, starts, tokens }: HeadView, asking: readonly number[]): HostTensors {
  const beams = asking.map((sequence) => beamOf(sequences[sequence]!));
  const mask = new Float32Array(tokens);
  for (const sequence of asking) {
    const own = sequences[sequence]!.answerMask;
    if (own !== undefined) mask.set(own, starts[sequence]!);
  }
  const feeds: Partial<Record<HeadInput, HostTensor>> = {
    starts: int32(asking.map((sequence) => starts[sequence]!)),
    lengths: int32(asking.map((sequence) => sequences[sequence]!.inputIds.length)),
    start_top_n: int64(beams.map((beam) => beam.starts)),
    end_top_n: int64(beams.map((beam) => beam.ends)),
    widest: int64([Math.max(0, ...beams.map((beam) => beam.starts)), Math.max(0, ...beams.map((beam) => beam.ends))]),
    answer_mask: { dtype: "float32", dims: [tokens], data: mask },
  };
  return Object.fromEntries(
    Object.entries(feeds).map(([input, value]) => [headInput(head.name, input as HeadInput), value]),
  );
}

function int64(values: readonly number[]): HostTensor {
  return { dtype: "int64", dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}
