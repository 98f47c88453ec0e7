import { expect, it } from "vitest";
import { ratioChart } from "../../bench/ratio-chart.ts";

it("draws a bar for each ratio, as long as it is large, and marks where both are equally fast", () => {
  const chart = ratioChart("a < b", { "export fp32": { "1x16": 2, "8x128": 0.5 } });
  const bars = [...chart.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)" height="\d+" fill="(#\w+)"/g)];
  const [longer, shorter] = bars.map(([, width]) => Number(width));
  expect(bars).toHaveLength(2);
  expect(longer! / shorter!).toBeCloseTo(4, 2);
  expect(bars[0]![2]).not.toBe(bars[1]![2]); // faster and slower differ in colour too
  expect(chart).toContain("a &lt; b");
  expect(chart).toContain("<line");
});
