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

describe("the order of mixed data", () => {
  const mixed = (
    parts: readonly (readonly [examples: number, weight: number])[],
    more: Partial<DataOrderOptions> = {},
  ) => {
    const mix = parts.map(([examples, weight]) => ({ examples, weight }));
    const count = mix.reduce((sum, { examples }) => sum + examples, 0);
    const lengths = Array.from({ length: count }, (_, i) => 4 + (i % 9));
    return new DataOrder({
      ...{ seed: 1, batchSize: 8, tokenBudget: 128, maxSequenceLength: 16 },
      lengths,
      mix,
      ...more,
    });
  };
  const drawn = (order: DataOrder, epochs: number) =>
    Array.from({ length: epochs * order.stepsPerEpoch }, (_, step) => stepExamples(order, step)).flat();

  it.each(["length", "none"] as const)(
    "draws from each file its share, whatever its size (grouping %s)",
    (grouping) => {
      const order = mixed(
        [
          [20, 3],
          [180, 1],
        ],
        { grouping },
      );
      const seen = drawn(order, 4);
      expect(seen).toHaveLength(800);
      expect(seen.filter((example) => example < 20)).toHaveLength(600);
    },
  );

  it("brings no example of a file again before all others of it, across epochs too", () => {
    const order = mixed([
      [20, 3],
      [180, 1],
    ]);
    const seen = drawn(order, 5);
    const times = (example: number) => seen.filter((one) => one === example).length;
    // 150 draws an epoch of 20 examples, 50 of 180.
    for (let example = 0; example < 20; example++) expect([37, 38]).toContain(times(example));
    for (let example = 20; example < 200; example++) expect([1, 2]).toContain(times(example));
  });

  it("is a function of seed and step alone, and told apart from others by its digest", () => {
    const parts = [
      [20, 3],
      [30, 1],
    ] as const;
    const walked = mixed(parts);
    drawn(walked, 3);
    for (const step of [17, 0, 9]) expect(walked.microBatches(step)).toEqual(mixed(parts).microBatches(step));
    const others = [
      mixed([
        [20, 2],
        [30, 1],
      ]),
      mixed([
        [25, 3],
        [25, 1],
      ]),
      mixed(parts, { seed: 2 }),
    ];
    expect(new Set([walked, ...others].map(({ digest }) => digest)).size).toBe(4);
  });

  it("gives even the smallest share one draw", () => {
    expect(
      drawn(
        mixed([
          [5, 1e6],
          [5, 1e-6],
        ]),
        1,
      ).filter((example) => example >= 5),
    ).toHaveLength(1);
  });
});
