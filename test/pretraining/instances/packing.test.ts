import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packRows } from "../../../src/pretraining/instances/packing.ts";

function rowsOf({ instances, starts }: ReturnType<typeof packRows>): number[][] {
  return Array.from({ length: starts.length - 1 }, (_, row) => [...instances.subarray(starts[row]!, starts[row + 1]!)]);
}

describe("packing instances into rows", () => {
  it("fills rows with what fits best", () => {
    const lengths = [6, 4, 7, 3, 10];
    const rows = rowsOf(
      packRows(Uint32Array.of(0, 1, 2, 3, 4), lengths, { rowLength: 10, maxSegments: 4, bufferSize: 100 }),
    );
    expect(rows).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("places every instance once, overfills no row and moves none beyond its buffer", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 50 }),
        (lengths, maxSegments, bufferSize) => {
          const order = Uint32Array.from(lengths.keys()).reverse();
          const packed = packRows(order, lengths, { rowLength: 64, maxSegments, bufferSize });
          const rows = rowsOf(packed);
          expect([...packed.instances].sort((a, b) => a - b)).toEqual([...lengths.keys()]);
          for (const row of rows) {
            expect(row.length).toBeLessThanOrEqual(maxSegments);
            expect(row.reduce((sum, instance) => sum + lengths[instance]!, 0)).toBeLessThanOrEqual(64);
          }
          for (const [position, instance] of packed.instances.entries()) {
            expect(Math.floor(position / bufferSize)).toBe(Math.floor(order.indexOf(instance) / bufferSize));
          }
        },
      ),
    );
  });

  it("wastes little when lengths are mixed", () => {
    const lengths = Array.from({ length: 2000 }, (_, i) => 8 + ((i * 7919) % 120));
    const { starts } = packRows(Uint32Array.from(lengths.keys()), lengths, {
      rowLength: 128,
      maxSegments: 16,
      bufferSize: 1000,
    });
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    expect(tokens / (128 * (starts.length - 1))).toBeGreaterThan(0.97);
  });
});
