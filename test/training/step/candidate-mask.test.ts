import { describe, expect, it } from "vitest";
import { collate, type TrainingRecord } from "../../../src/training/step/collate.ts";
import { CONTRASTIVE } from "../tiny-training.ts";

/** A record of texts, each one of its own single token: the anchor, its partner, and negatives. */
function row(...tokens: number[]): TrainingRecord {
  return {
    input_ids: Int32Array.from(tokens),
    segment_ids: new Int32Array(tokens.length),
    sequence_lengths: Int32Array.from(tokens, () => 1),
  };
}

/** The mask of rows laid into `capacity` rows of `choices` texts, row by row as text. */
function maskOf(records: readonly TrainingRecord[], capacity: number, choices: number): string[] {
  const batch = collate(CONTRASTIVE, records, { rows: capacity, sequenceLength: 2 }, { choices });
  const { shape, data } = batch["candidate_mask"]!;
  return Array.from({ length: shape[0]! }, (_, i) => [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)].join(""));
}

describe("the texts that count for an anchor", () => {
  it("are its partner and all other partners", () => {
    expect(maskOf([row(1, 2), row(3, 4), row(5, 6)], 3, 2)).toEqual(["111", "111", "111"]);
  });

  it("do not hold a second time its partner, another partner of the same anchor, or itself", () => {
    expect(maskOf([row(1, 2), row(3, 2), row(5, 6)], 3, 2)).toEqual(["101", "011", "111"]);
    expect(maskOf([row(1, 2), row(1, 4), row(5, 6)], 3, 2)).toEqual(["101", "011", "111"]);
    expect(maskOf([row(1, 2), row(3, 1), row(5, 6)], 3, 2)).toEqual(["101", "111", "111"]);
  });

  it("are all rows' negatives too, where there are any", () => {
    // Candidates lie row by row: partner and negative of the first row, of the second, of the third.
    expect(maskOf([row(1, 2, 7), row(3, 4), row(5, 6, 4)], 3, 3)).toEqual(["111011", "111010", "111011"]);
  });

  it("are none of a row that is filler, whose own one keeps its loss finite", () => {
    expect(maskOf([row(1, 2), row(3, 4)], 3, 2)).toEqual(["110", "110", "001"]);
  });
});
