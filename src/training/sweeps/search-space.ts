import type { FieldViolation } from "../../errors.ts";
import { RandomStream, type Seed } from "../../model/random.ts";
import { FINE_TUNING } from "../settings/fine-tuning.ts";
import { nameOf, parseTable } from "../settings/table.ts";
import { expectedOf, parseValue, type ValueType } from "../settings/value-type.ts";

// What a setting of a sweep may be: how it is written, checked, counted and drawn. It knows no trial.

/** The values that one setting takes in a sweep. */
export type SearchSpace =
  | { readonly name: string; readonly kind: "choices"; readonly values: readonly string[] }
  | {
      readonly name: string;
      readonly kind: "range";
      readonly low: number;
      readonly high: number;
      readonly scale: "linear" | "log";
      readonly integer: boolean;
    };

/** Most values that a grid takes of one setting. */
const MOST_VALUES = 256;

/** Digits of a drawn number: more than any training can tell apart. */
const DIGITS = 4;

/** How spaces are written, for messages and help. */
export const SPACE_FORMS = "values such as 1e-5,3e-5, a range such as 0..0.2, log:1e-5..1e-3 or int:2..5";

/** What decides how trials are judged must be the same for all; these cannot be varied. */
const JUDGES: Readonly<Record<string, string>> = {
  metric: "trials are compared by one metric",
  seed: "all trials hold out the same examples; several runs of each trial are asked for by seeds",
  seeds: "all trials are judged by as many runs",
  folds: "all trials are judged on the same parts of the data",
  publish: "all trials are judged alike",
  calibrate: "trials are compared before anything is fitted to the evaluation data",
};

/**
 * Reads the spaces of a sweep.
 *
 * @param vary    for each setting, by its official name, how its space is written
 * @param prefix  comes before each name in the report, such as `spec.sweep.vary.`
 * @returns the spaces in the order of their names, and everything that is wrong with them
 */
export function parseSpaces(
  vary: Readonly<Record<string, string>>,
  prefix: string,
): { readonly spaces: readonly SearchSpace[]; readonly violations: readonly FieldViolation[] } {
  const violations: FieldViolation[] = [];
  const spaces: SearchSpace[] = [];
  for (const [written, text] of Object.entries(vary)) {
    const name = written.replaceAll("-", "_");
    const field = `${prefix}${written}`;
    const key = Object.keys(FINE_TUNING).find((candidate) => nameOf(candidate) === name);
    if (key === undefined) {
      violations.push(...parseTable(FINE_TUNING, { [written]: "" }, prefix).violations); // names what was probably meant
      continue;
    }
    const fixed = Object.hasOwn(JUDGES, name) ? JUDGES[name] : undefined;
    if (fixed !== undefined) {
      violations.push({ field, description: `cannot be varied: ${fixed}` });
      continue;
    }
    if (spaces.some((space) => space.name === name)) {
      violations.push({ field, description: "is given twice" });
      continue;
    }
    const parsed = parseSpace(name, text.trim(), FINE_TUNING[key as keyof typeof FINE_TUNING].type);
    if ("problem" in parsed) violations.push({ field, description: parsed.problem });
    else spaces.push(parsed);
  }
  return { spaces: spaces.sort((a, b) => (a.name < b.name ? -1 : 1)), violations };
}

const RANGE = /^(?:(log|int):)?(.+?)\.\.(.+)$/;

function parseSpace(name: string, text: string, type: ValueType): SearchSpace | { readonly problem: string } {
  const range = type.kind === "number" ? RANGE.exec(text) : null;
  if (range === null || type.kind !== "number") return parseChoices(name, text, type);
  const [, form, ...ends] = range;
  const integer = form === "int" || type.integer === true;
  const bounds: number[] = [];
  for (const end of ends) {
    const parsed = parseValue(integer ? { ...type, integer: true } : type, end ?? "");
    if ("problem" in parsed) return { problem: parsed.problem };
    bounds.push(parsed.value as number); // of a number's type
  }
  const [low, high] = bounds as [number, number]; // the expression has two ends
  if (low >= high) return { problem: `expected a range from a smaller to a larger number, got ${text}` };
  if (form === "log" && low <= 0) return { problem: `expected a range above 0 on a logarithmic scale, got ${text}` };
  return { name, kind: "range", low, high, scale: form === "log" ? "log" : "linear", integer };
}

/** Values are separated by "|" where there is one, for values that contain commas, else by ",". */
function parseChoices(name: string, text: string, type: ValueType): SearchSpace | { readonly problem: string } {
  const values = text.split(text.includes("|") ? "|" : ",").map((value) => value.trim());
  if (text === "") return { problem: `expected ${SPACE_FORMS}` };
  for (const value of values) {
    const parsed = parseValue(type, value);
    if ("problem" in parsed) {
      const written = type.kind === "number" ? `; a space is ${SPACE_FORMS}` : "";
      return { problem: `expected ${expectedOf(type)}, got ${JSON.stringify(value)}${written}` };
    }
  }
  if (new Set(values).size < values.length) return { problem: `expected different values, got ${text}` };
  if (values.length > MOST_VALUES) return { problem: `expected at most ${MOST_VALUES} values, got ${values.length}` };
  return { name, kind: "choices", values };
}

/** Every value of a space, in order; undefined where it has no end of them, or too many. */
export function valuesOf(space: SearchSpace): readonly string[] | undefined {
  if (space.kind === "choices") return space.values;
  const { low, high, integer, scale } = space;
  if (!integer || scale === "log" || high - low >= MOST_VALUES) return undefined;
  return Array.from({ length: high - low + 1 }, (_, i) => String(low + i));
}

/** One value of a space, drawn by a seed: each choice, each number or each order of magnitude as likely as any other. */
export function drawValue(space: SearchSpace, seed: Seed): string {
  const random = new RandomStream(seed);
  if (space.kind === "choices") return space.values[random.below(space.values.length)]!;
  const { low, high, scale, integer } = space;
  const from = integer ? low - 0.5 : low;
  const to = integer ? high + 0.5 : high;
  const share = random.float();
  const drawn =
    scale === "log" ? Math.exp(Math.log(from) + share * (Math.log(to) - Math.log(from))) : from + share * (to - from);
  const rounded = integer ? Math.round(drawn) : Number(drawn.toPrecision(DIGITS));
  return String(Math.min(high, Math.max(low, rounded)));
}
