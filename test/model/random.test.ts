import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, permutation, philox, RandomStream, uint32At } from "../../src/model/random.ts";

describe("the counter-based generator", () => {
  it("has the known answers of Philox4x32-10", () => {
    const ones = 0xffffffff;
    expect(philox([0, 0], [0, 0, 0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([ones, ones], [ones, ones, ones, ones])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    expect(philox([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it("reads the same numbers in order and by index, from any start", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 20 }), (start, count) => {
        const stream = new RandomStream([7, 9], start);
        for (let i = 0; i < count; i++) if (stream.uint32() !== uint32At([7, 9], start + i)) return false;
        return stream.index === start + count;
      }),
    );
  });

  it("uses the counter's second word beyond 2^34 numbers", () => {
    expect(uint32At([1, 2], 2 ** 34)).toBe(philox([1, 2], [0, 1, 0, 0])[0]);
  });

  it("derives different seeds from parts that only look alike", () => {
    const seeds = [
      deriveSeed(1, "2"),
      deriveSeed("1", 2),
      deriveSeed("12"),
      deriveSeed(12),
      deriveSeed("1", "2"),
      deriveSeed(12n),
    ];
    expect(new Set(seeds.map(String)).size).toBe(seeds.length);
    expect(deriveSeed(1, "order", 3)).toEqual(deriveSeed(1, "order", 3));
  });

  it("draws floats and bounded integers evenly", () => {
    const stream = new RandomStream([3, 4]);
    const counts = new Array(7).fill(0);
    let sum = 0;
    for (let i = 0; i < 70_000; i++) {
      counts[stream.below(7)]++;
      sum += stream.float();
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500); // five standard deviations
    expect(Math.abs(sum / 70_000 - 0.5)).toBeLessThan(0.006);
  });

  it("draws standard normal values", () => {
    const stream = new RandomStream([5, 6]);
    const values = Array.from({ length: 20_000 }, () => stream.normalPair()).flat();
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((a, b) => a + b * b, 0) / values.length - mean ** 2;
    expect(Math.abs(mean)).toBeLessThan(0.025);
    expect(Math.abs(variance - 1)).toBeLessThan(0.035);
  });
});

describe("permutation", () => {
  it("holds each number once and is a function of its seed", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), (n, epoch) => {
        const order = permutation(n, deriveSeed(1, "order", epoch));
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(permutation(n, deriveSeed(1, "order", epoch))).toEqual(order);
      }),
    );
  });

  it("puts every number in every place about equally often", () => {
    const counts = Array.from({ length: 5 }, () => new Array(5).fill(0));
    for (let epoch = 0; epoch < 5000; epoch++) {
      for (const [place, value] of permutation(5, deriveSeed(epoch)).entries()) counts[place]![value]++;
    }
    for (const count of counts.flat()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
