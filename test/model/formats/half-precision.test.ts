import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toFloat32 } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { toHalves } from "../../../src/model/formats/half-precision.ts";

const halves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
const values = toFloat32(halves, "F16");

describe("halves", () => {
  it("come back from every one of their values", () => {
    const back = toHalves(values);
    const differ = [...halves.keys()].filter((bits) => !Number.isNaN(values[bits]) && back[bits] !== bits);
    expect(differ).toEqual([]);
    expect(toFloat32(toHalves(Float32Array.of(Number.NaN)), "F16")[0]).toBeNaN();
  });

  it("are the nearest to a value, even ones on ties", () => {
    const finite = [...halves.subarray(0, 0x7c00)].map((bits) => values[bits]!);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: finite.length - 2 }),
        fc.float({ min: 0, max: 1, noNaN: true }),
        (at, share) => {
          const [below, above] = [finite[at]!, finite[at + 1]!];
          const value = Math.fround(below + (above - below) * share);
          const [half] = toHalves(Float32Array.of(value));
          const middle = (below + above) / 2;
          const even = at % 2 === 0 ? at : at + 1;
          expect(half).toBe(value < middle ? at : value > middle ? at + 1 : even);
          expect(toHalves(Float32Array.of(-value))[0]).toBe(half! | 0x8000);
        },
      ),
      { numRuns: 20_000 },
    );
    const [largest, beyond] = toHalves(Float32Array.of(65_519.996, 65_520));
    expect([largest, beyond]).toEqual([0x7bff, 0x7c00]);
  });
});
