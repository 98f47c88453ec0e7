import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataOrder, type DataOrderOptions } from "../../../src/training/step/data-order.ts";
import { chooseBuckets } from "../../../src/training/step/length-buckets.ts";

const options = fc
  .record({
    seed: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    lengths: fc.array(fc.integer({ min: 2, max: 64 }), { minLength: 1, maxLength: 90 }),
    batchSize: fc.integer({ min: 1, max: 20 }),
    tokenBudget: fc.integer({ min: 1, max: 512 }),
    grouping: fc.constantFrom<"length" | "none">("length", "none"),
    maxBuckets: fc.integer({ min: 1, max: 8 }),
  })
  .map((drawn): DataOrderOptions => ({ ...drawn, maxSequenceLength: 64 }));

const stepExamples = (order: DataOrder, step: number) => order.microBatches(step).flatMap((plan) => plan.examples);

describe("the order of the data", () => {
  it("uses every example exactly once in every epoch, in full steps but for the last", () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 0, max: 3 }), (drawn, epoch) => {
        const order = new DataOrder(drawn);
        const steps = Array.from({ length: order.stepsPerEpoch }, (_, at) =>
          stepExamples(order, epoch * order.stepsPerEpoch + at),
        );
        expect(steps.flat().sort((a, b) => a - b)).toEqual(Array.from(drawn.lengths, (_, i) => i));
        for (const step of steps.slice(0, -1)) expect(step).toHaveLength(drawn.batchSize);
      }),
    );
  });

  it("is a function of seed and step alone: asking in any order, from a new object, gives the same", () => {
    fc.assert(
      fc.property(options, fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 6 }), (drawn, steps) => {
        const walked = new DataOrder(drawn);
        for (const step of steps) {
          expect(walked.microBatches(step)).toEqual(new DataOrder(drawn).microBatches(step));
        }
      }),
    );
  });

  it("lays every example into a shape that holds it, within the rows and token budget", () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 0, max: 50 }), (drawn, step) => {
        const order = new DataOrder(drawn);
        for (const { bucket, examples } of order.microBatches(step)) {
          expect(examples.length).toBeGreaterThan(0);
          expect(examples.length).toBeLessThanOrEqual(bucket.rows);
          expect(bucket.rows === 1 || bucket.rows * bucket.sequenceLength <= drawn.tokenBudget).toBe(true);
          for (const example of examples) expect(drawn.lengths[example]).toBeLessThanOrEqual(bucket.sequenceLength);
        }
      }),
    );
  });

  it("differs between epochs and between seeds", () => {
    const lengths = new Array(64).fill(16);
    const order = (seed: number) =>
      new DataOrder({ seed, lengths, batchSize: 8, tokenBudget: 1024, maxSequenceLength: 64 });
    expect(stepExamples(order(1), 0)).not.toEqual(stepExamples(order(1), order(1).stepsPerEpoch));
    expect(stepExamples(order(1), 0)).not.toEqual(stepExamples(order(2), 0));
    expect(order(1).digest).not.toBe(order(2).digest);
  });

  it("pads less when grouped by length", () => {
    const lengths = Array.from({ length: 400 }, (_, i) => 4 + ((i * 37) % 60));
    const share = (grouping: "length" | "none") =>
      new DataOrder({ seed: 3, lengths, batchSize: 16, tokenBudget: 1024, maxSequenceLength: 64, grouping }).padding()
        .share;
    expect(share("length")).toBeLessThan(share("none"));
    expect(share("length")).toBeLessThan(0.15);
  });
});

describe("length buckets", () => {
  it("are at most as many as asked, ascending, and never longer than the longest allowed sequence", () => {
    fc.assert(
      fc.property(options, (drawn) => {
        const lengths = drawn.lengths as number[];
        const longest = Math.max(...lengths);
        const buckets = chooseBuckets({ ...drawn, maxSequenceLength: longest });
        expect(buckets.length).toBeLessThanOrEqual(drawn.maxBuckets!);
        expect(buckets.at(-1)!.sequenceLength).toBe(longest);
        const ascending = [...buckets].sort((a, b) => a.sequenceLength - b.sequenceLength);
        expect(buckets).toEqual(ascending);
      }),
    );
  });

  it("choose the boundaries that pad least", () => {
    const lengths = [...new Array(50).fill(8), ...new Array(50).fill(40), 64];
    const chosen = chooseBuckets({ lengths, batchSize: 8, tokenBudget: 4096, maxSequenceLength: 64, maxBuckets: 3 });
    expect(chosen.map((bucket) => bucket.sequenceLength)).toEqual([8, 40, 64]);
  });

  it("spread a step evenly over its micro-batches", () => {
    const [bucket] = chooseBuckets({ lengths: [64], batchSize: 32, tokenBudget: 64 * 20, maxSequenceLength: 64 });
    expect(bucket).toEqual({ sequenceLength: 64, rows: 16 });
  });
});
