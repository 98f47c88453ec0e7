import type { FieldViolation } from "../../errors.ts";

// Parameters of a request: named values, of which each task knows some.

export type ParameterValue = string | number | boolean;

const MAX_UINT32 = 2 ** 32 - 1;

/** Most texts of one parameter; tasks have narrower bounds of their own. */
const MOST_TEXTS = 1024;

/**
 * Reads the parameters of one request, and collects what is wrong with them. Every name must be read by someone: a name
 * that no one knows is a mistake, not a wish to be ignored.
 */
export class Parameters {
  readonly violations: FieldViolation[] = [];
  readonly #values: ReadonlyMap<string, ParameterValue>;
  readonly #read = new Set<string>();

  constructor(values: ReadonlyMap<string, ParameterValue>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === "string") return value;
    return this.#refuse(name, "must be a string");
  }

  /** Several texts: separated by commas, or as a JSON list, for texts that hold commas. */
  texts(name: string): string[] | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const list = typeof value === "string" ? textsIn(value) : undefined;
    if (list === undefined)
      return this.#refuse(name, 'must be texts separated by commas, or a JSON list such as ["a, b", "c"]');
    if (list.length > MOST_TEXTS) return this.#refuse(name, `must hold at most ${MOST_TEXTS} texts`);
    return list;
  }

  number(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === "number") return value;
    return this.#refuse(name, "must be a number");
  }

  /** A whole number that is not negative; tasks have narrower bounds of their own. */
  count(name: string): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_UINT32) return value;
    return this.#refuse(name, `must be an integer from 0 to ${MAX_UINT32}`);
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value === "boolean") return value;
    return this.#refuse(name, "must be true or false") ?? false;
  }

  /** One of a table's names. */
  choice<T>(name: string, table: Readonly<Record<string, T>>): T | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "boolean" && Object.hasOwn(table, String(value))) return table[String(value)];
    return this.#refuse(name, `must be one of ${Object.keys(table).join(", ")}`);
  }

  /** Refuses the names that no one has read. */
  refuseOthers(): void {
    const known = [...this.#read].sort().join(", ");
    for (const name of this.#values.keys()) {
      if (!this.#read.has(name)) this.#refuse(name, `is not among the parameters that apply here: ${known}`);
    }
  }

  #take(name: string): ParameterValue | undefined {
    this.#read.add(name);
    return this.#values.get(name);
  }

  #refuse(name: string, description: string): undefined {
    const field = `parameters.${name}`; // which two readers may find wrong
    if (!this.violations.some((violation) => violation.field === field)) this.violations.push({ field, description });
    return undefined;
  }
}

function textsIn(value: string): string[] | undefined {
  if (!value.trimStart().startsWith("[")) return value.split(",", MOST_TEXTS + 1).map((text) => text.trim());
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) && list.every((text) => typeof text === "string") ? list : undefined;
  } catch {
    return undefined;
  }
}
