import { describe, expect, it } from "vitest";
import { placeOf } from "../../../src/serving/traffic/assignment.ts";

describe("placeOf", () => {
  const KEYS = Array.from({ length: 20_000 }, (_, i) => `caller ${i}`);

  it("is the same for the same key, in every process and release", () => {
    expect(placeOf("reviews", "2", "caller 1")).toBe(placeOf("reviews", "2", "caller 1"));
    // What is written here is a contract between replicas of different releases.
    expect(placeOf("reviews", "2", "caller 1").toFixed(12)).toBe("0.407805433306");
  });

  it("spreads keys evenly: each share gets what was asked, within binomial bounds", () => {
    for (const percent of [1, 10, 30, 50, 90]) {
      const drawn = KEYS.filter((key) => placeOf("reviews", "2", key) * 100 < percent).length;
      const expected = (KEYS.length * percent) / 100;
      const deviation = Math.sqrt(expected * (1 - percent / 100));
      expect(Math.abs(drawn - expected), `${percent} %`).toBeLessThan(4 * deviation);
    }
  });

  it("keeps those of a smaller share in a larger one, and draws others for another challenger", () => {
    const of = (version: string, percent: number) =>
      new Set(KEYS.filter((key) => placeOf("reviews", version, key) * 100 < percent));
    const ten = of("2", 10);
    const twenty = of("2", 20);
    expect([...ten].every((key) => twenty.has(key))).toBe(true);
    const other = of("3", 10);
    const both = [...ten].filter((key) => other.has(key)).length;
    expect(both).toBeLessThan(300); // 200 of 20,000 by chance
    expect(both).toBeGreaterThan(100);
  });
});
