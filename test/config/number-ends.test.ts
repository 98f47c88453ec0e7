import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";
import type { AlbertError } from "../../src/errors.ts";

const numbers = NAMED_SETTINGS.filter(({ setting }) => typeof setting.default === "number");

/** What one setting becomes from the text of a variable, or the sentence it is refused with. */
function read(key: string, environment: string, text: string): unknown {
  const { group, name } = NAMED_SETTINGS.find((named) => named.key === key)!;
  try {
    const { config } = loadConfig({ environment: { [environment]: text } });
    return (config[group] as Record<string, unknown>)[name];
  } catch (error) {
    const violation = (error as AlbertError).violations.find(({ field }) => field === key);
    return violation === undefined ? "of another setting" : violation.description;
  }
}

describe.each(numbers)("the setting $key", ({ key, environment, setting }) => {
  const [low, high] = setting.range.split(" to ").map(Number) as [number, number];

  it("has two bounds, works at each or says what it contradicts, and is refused beyond with them", () => {
    expect([Number.isFinite(low), Number.isFinite(high)]).toEqual([true, true]);
    for (const bound of [low, high]) {
      const value = read(key, environment, String(bound));
      // Some pairs of settings exclude each other at their ends, with a message of their own.
      if (value !== bound) expect(value).not.toContain(`(${setting.range})`);
    }
    for (const beyond of [low - 1, high + 1, -1e300, 1e300, 2 ** 64]) {
      if (beyond >= low && beyond <= high) continue;
      expect(read(key, environment, String(beyond)), String(beyond)).toContain(`(${setting.range})`);
    }
  });

  it("is refused, with its bounds, where it is no number", () => {
    for (const text of ["", " ", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "1,5", "many", "1;2", "1e999"]) {
      const refused = String(read(key, environment, text));
      expect(refused, JSON.stringify(text)).toContain(`(${setting.range})`);
      expect(refused).toContain(`got ${JSON.stringify(text)} from ${environment}`);
    }
  });

  it("fits a timer where it is a time: a longer one would fire at once", () => {
    if (setting.unit === "ms") expect(high).toBeLessThanOrEqual(2 ** 31 - 1);
  });
});

it("finds the numbers among the settings", () => {
  expect(numbers.length).toBeGreaterThan(30);
});
