import { nearest } from "../../config/nearest.ts";
import type { FieldViolation } from "../../errors.ts";

export type SettingType =
  | { readonly kind: "number"; readonly integer?: boolean; readonly minimum?: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  /** Comma-separated. */
  | { readonly kind: "list" }
  | { readonly kind: "text" };

/** One training setting as a person names it: on the command line with dashes or underscores, in a job's recipe. */
export interface SettingDescription<Key extends string> {
  /** Official spelling, such as `train_batch_size`. */
  readonly name: string;
  readonly key: Key;
  readonly type: SettingType;
  readonly description: string;
}

/**
 * Reads settings written as text by a table of what there is.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @returns values by key, and every unknown name (with the nearest known one) and every wrong value
 */
export function parseSettingTable<Key extends string>(
  table: readonly SettingDescription<Key>[],
  given: Readonly<Record<string, string>>,
  prefix: string,
): { readonly values: Partial<Record<Key, unknown>>; readonly violations: FieldViolation[] } {
  const violations: FieldViolation[] = [];
  const values: Partial<Record<Key, unknown>> = {};
  for (const [written, text] of Object.entries(given)) {
    const name = written.replaceAll("-", "_");
    const known = table.find((candidate) => candidate.name === name);
    if (known === undefined) {
      const meant = nearest(
        name,
        table.map((candidate) => candidate.name),
      );
      const description = meant === undefined ? "is no training setting" : `is no setting; did you mean ${meant}?`;
      violations.push({ field: `${prefix}${written}`, description });
      continue;
    }
    const parsed = parseValue(known.type, text);
    if ("problem" in parsed) violations.push({ field: `${prefix}${known.name}`, description: parsed.problem });
    else values[known.key] = parsed.value;
  }
  return { values, violations };
}

function parseValue(type: SettingType, text: string): { readonly value: unknown } | { readonly problem: string } {
  switch (type.kind) {
    case "number": {
      const value = Number(text);
      const wrong =
        text.trim() === "" ||
        !Number.isFinite(value) ||
        (type.integer === true && !Number.isSafeInteger(value)) ||
        value < (type.minimum ?? Number.NEGATIVE_INFINITY);
      const expected = `${type.integer === true ? "an integer" : "a number"} >= ${type.minimum ?? 0}`;
      return wrong ? { problem: `expected ${expected}, got ${JSON.stringify(text)}` } : { value };
    }
    case "boolean": {
      const value = { true: true, t: true, "1": true, false: false, f: false, "0": false }[text.toLowerCase()];
      return value === undefined ? { problem: `expected true or false, got ${JSON.stringify(text)}` } : { value };
    }
    case "choice":
      return type.choices.includes(text)
        ? { value: text }
        : { problem: `expected one of ${type.choices.join(", ")}, got ${JSON.stringify(text)}` };
    case "list":
      return { value: text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()])) };
    case "text":
      return { value: text };
  }
}
