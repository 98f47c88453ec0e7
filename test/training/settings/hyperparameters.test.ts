import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hyperparametersPage } from "../../../scripts/hyperparameters-page.ts";
import { PRETRAINING, parsePretraining } from "../../../src/pretraining/hyperparameters.ts";
import { DISTILLATION } from "../../../src/training/settings/distillation.ts";
import { FINE_TUNING, parseFineTuning } from "../../../src/training/settings/fine-tuning.ts";
import { nameOf, parseTable, type Table } from "../../../src/training/settings/table.ts";
import type { NumberType } from "../../../src/training/settings/value-type.ts";

const TABLES: Readonly<Record<string, Table>> = {
  "fine-tuning": FINE_TUNING,
  distillation: DISTILLATION,
  pretraining: PRETRAINING,
};
const numbers = Object.entries(TABLES).flatMap(([table, rows]) =>
  Object.entries(rows).flatMap(([key, { type }]): [string, string, NumberType][] =>
    type.kind === "number" ? [[table, key, type]] : [],
  ),
);

/** What one value of one row gives: the value, or the sentence it is refused with. */
function read(table: string, key: string, text: string): unknown {
  const { values, violations } = parseTable(TABLES[table]!, { [nameOf(key)]: text }, "");
  return violations.length > 0 ? violations[0]!.description : values[key];
}

describe.each(numbers)("%s: the number %s", (table, key, type) => {
  it("has two bounds, works at each and is refused beyond, with its bounds", () => {
    const low = type.minimum ?? type.above;
    const high = type.maximum ?? type.below;
    expect([typeof low, typeof high]).toEqual(["number", "number"]);
    if (type.minimum !== undefined) expect(read(table, key, String(low))).toBe(low);
    else expect(read(table, key, String(low))).toMatch(/^expected .*above/);
    if (type.maximum !== undefined) expect(read(table, key, String(high))).toBe(high);
    else expect(read(table, key, String(high))).toMatch(/^expected .*below/);
    for (const beyond of [String(low! - 1), String(high! + 1), "-1", "1e300", "18446744073709551615"]) {
      expect(read(table, key, beyond), beyond).toMatch(/^expected (an integer|a number) /);
    }
  });

  it("is no number where text only looks like one", () => {
    for (const text of ["", " ", "NaN", "Infinity", "-Infinity", "1e999", "0x10", "1_000", "1,5", "many", "٣", "1;2"]) {
      expect(read(table, key, text), JSON.stringify(text)).toMatch(/^expected .*, got /);
    }
  });

  it("is whole where it counts", () => {
    if (type.integer === true) expect(read(table, key, `${type.minimum ?? 0}.5`)).toMatch(/^expected an integer/);
  });
});

describe("a table of hyperparameters", () => {
  it("is what docs/hyperparameters.md shows: run `npm run docs` after a change", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/hyperparameters.md"), "utf8");
    expect(page).toBe(hyperparametersPage());
  });

  it("says of every row what it is and what applies where it is not given", () => {
    for (const rows of Object.values(TABLES)) {
      for (const [key, row] of Object.entries(rows)) {
        expect(row.description, key).not.toBe("");
        expect(row.default !== undefined, key).toBe(row.otherwise !== undefined);
      }
    }
  });

  it("keeps the old name of an optimizer with its old meaning, and says so", () => {
    for (const parse of [parseFineTuning, parsePretraining]) {
      const { settings, warnings } = parse({ optimizer: "adamw" });
      expect(settings.optimizer).toBe("adamw-official");
      expect(warnings).toEqual(['optimizer: "adamw" is an old name of "adamw-official"']);
    }
  });

  it("refuses unknown names, wrong values and contradictions at once, with what was meant", () => {
    const given = { learning_rat: "1", dropout: "1", "train-step": "5", num_train_epochs: "2", optimizer: "sgd" };
    expect(() => parseFineTuning(given, "recipe.")).toThrow(
      /learning_rat.*did you mean learning_rate.*dropout: expected a number >= 0 and below 1.*optimizer: expected one of adamw-official, adamw-corrected, lamb.*train_step: excludes num_train_epochs/s,
    );
  });
});
