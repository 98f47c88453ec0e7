import { expect, it } from "vitest";
import { meanInterval, studentQuantile } from "../../../src/training/repeats/mean-interval.ts";

it.each([
  [1, 12.7062],
  [2, 4.30265],
  [3, 3.18245],
  [4, 2.77645],
  [9, 2.26216],
  [30, 2.04227],
  [99, 1.98422],
])("Student's t with %i degrees of freedom has the quantile of the tables", (freedom, value) => {
  expect(studentQuantile(0.975, freedom)).toBeCloseTo(value, 4);
});

it("a mean of few figures has a wide interval", () => {
  const { mean, standardDeviation, low, high } = meanInterval([1, 2, 3]);
  expect([mean, standardDeviation]).toEqual([2, 1]);
  expect(high - mean).toBeCloseTo(4.30265 / Math.sqrt(3), 4);
  expect(mean - low).toBeCloseTo(high - mean, 12);
});
