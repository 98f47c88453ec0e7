import { expect, it } from "vitest";
import { likelyLabelErrors } from "../../src/report/rows/label-errors.ts";

it("does not lose, to rounding, a row that is exactly as sure of a label as the mean of that label's rows", () => {
  const sure = [0.8, 0.2];
  expect((0.8 + 0.8 + 0.8) / 3, "the mean of equal numbers may be larger than they are").toBeGreaterThan(0.8);
  // The fourth row has the second label, and is as sure of the first as all rows that have it.
  const probabilities = [sure, sure, sure, sure, [0.2, 0.8]];
  expect(likelyLabelErrors([0, 0, 0, 1, 1], probabilities, 2)).toEqual([3]);
});
