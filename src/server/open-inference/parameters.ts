import type { FieldViolation } from "../../errors.ts";

// Parameters of a request: named values, of which each task knows some.

export type ParameterValue = string | number | boolean;

const MAX_UINT32 = 2 ** 32 - 1;

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
