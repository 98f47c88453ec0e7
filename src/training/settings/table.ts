import { nearest } from "../../config/nearest.ts";
import type { FieldViolation } from "../../errors.ts";
import { expectedOf, fits, parseValue, type ValueOf, type ValueType } from "./value-type.ts";

// The type of a table of hyperparameters, and how values are read, checked and completed by it. It names no
// hyperparameter.

/**
 * A table of hyperparameters: one row is all there is to know of one. Flags, keys of recipes, checks, `--plan`, help texts and
 * docs/hyperparameters.md are made from its rows.
 *
 * @typeParam Context  what a default may depend on
 */
export interface Row<T extends ValueType, Context> {
  readonly type: T;
  readonly description: string;
  /**
   * The value where none is given, and why it applies; undefined where the run has no such setting. Absent for a row that is another
   * way to say something.
   */
  readonly otherwise?: (context: Context) => readonly [value: ValueOf<T> | undefined, why: string];
  /** The default in words, where it depends on the run. */
  readonly default?: string;
  /** Keys of rows that cannot be given together with this one. */
  readonly excludes?: readonly string[];
}

/** Rows by key; the key in snake case is the official name. */
// The value type of each row is its own: only `any` lets rows of all types into one table.
// biome-ignore lint/suspicious/noExplicitAny: contravariant in Context and in the value
export type Table = Readonly<Record<string, Row<any, any>>>;

/** The values that a table describes. */
export type ValuesOf<T extends Table> = { readonly [K in keyof T]: ValueOf<T[K]["type"]> };

/** Official spelling of a key: `trainBatchSize` is `train_batch_size`. */
export function nameOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Values read from text. */
export interface Parsed<Values> {
  readonly values: Values;
  readonly violations: FieldViolation[];
  /** About names of earlier releases. */
  readonly warnings: string[];
}

/**
 * Reads values written as text, by name, dashes and underscores alike.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @returns every unknown name (with the nearest known one), every wrong value and every contradiction as violations
 */
export function parseTable<T extends Table>(
  table: T,
  given: Readonly<Record<string, string>>,
  prefix: string,
): Parsed<Partial<ValuesOf<T>>> {
  const violations: FieldViolation[] = [];
  const warnings: string[] = [];
  const values: Record<string, unknown> = {};
  const keys = Object.keys(table);
  for (const [written, text] of Object.entries(given)) {
    const name = written.replaceAll("-", "_");
    const key = keys.find((candidate) => nameOf(candidate) === name);
    if (key === undefined) {
      const meant = nearest(name, keys.map(nameOf));
      const description = meant === undefined ? "is no training setting" : `is no setting; did you mean ${meant}?`;
      violations.push({ field: `${prefix}${written}`, description });
      continue;
    }
    const parsed = parseValue(table[key]!.type, text);
    if ("problem" in parsed) {
      violations.push({ field: `${prefix}${name}`, description: parsed.problem });
      continue;
    }
    values[key] = parsed.value;
    if (parsed.warning !== undefined) warnings.push(`${name}: ${parsed.warning}`);
  }
  for (const key of Object.keys(values)) {
    for (const other of table[key]!.excludes ?? []) {
      if (!(other in values)) continue;
      const description = `excludes ${nameOf(other)}: give one of them`;
      violations.push({ field: `${prefix}${nameOf(key)}`, description });
    }
  }
  // Each value was read by the type of its row.
  return { values: values as Partial<ValuesOf<T>>, violations, warnings };
}

/** Every number that is not within the bounds of its row, by official name. */
export function checkTable(table: Table, values: Readonly<Record<string, unknown>>): FieldViolation[] {
  return Object.entries(table).flatMap(([key, { type }]) => {
    const value = values[key];
    if (type.kind !== "number" || value === undefined || fits(type, value as number)) return [];
    return [{ field: nameOf(key), description: `expected ${expectedOf(type)}, got ${String(value)}` }];
  });
}

/**
 * Completes what was given by the rows' defaults, in the order of the table, so that a default may depend on rows before it.
 *
 * @param contextOf  what defaults may depend on, from the values so far
 */
export function completeTable<T extends Table, Context>(
  table: T,
  given: Partial<ValuesOf<T>>,
  contextOf: (soFar: Partial<ValuesOf<T>>) => Context,
): { readonly values: Partial<ValuesOf<T>>; readonly reasons: Readonly<Record<string, string>> } {
  const values: Record<string, unknown> = {};
  const reasons: Record<string, string> = {};
  for (const [key, { otherwise }] of Object.entries(table)) {
    if (otherwise === undefined) continue;
    const value = given[key];
    const [chosen, why] = value === undefined ? otherwise(contextOf(values as Partial<ValuesOf<T>>)) : [value, "given"];
    if (chosen !== undefined) values[key] = chosen;
    reasons[key] = why;
  }
  return { values: values as Partial<ValuesOf<T>>, reasons };
}
