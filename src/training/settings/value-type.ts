// The kinds of values that a hyperparameter may have, with their bounds.

/** How true and false are written. A map, since an object also has what every object has, such as "constructor". */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["t", true],
  ["1", true],
  ["false", false],
  ["f", false],
  ["0", false],
]);
/**
 * What a hyperparameter's value may be, and how it is read from text. Every number has both its bounds here, so that a flag, a
 * recipe and a call refuse the same values with the same words.
 */
export type ValueType =
  | NumberType
  | { readonly kind: "boolean" }
  | {
      readonly kind: "choice";
      readonly choices: readonly string[];
      /** Names of earlier releases, each with the choice it means. */
      readonly deprecated?: Readonly<Record<string, string>>;
    }
  /** Comma-separated. */
  | { readonly kind: "list" }
  | { readonly kind: "text" };

export interface NumberType {
  readonly kind: "number";
  readonly integer?: boolean;
  readonly minimum?: number;
  /** Excludes the bound itself. */
  readonly above?: number;
  readonly maximum?: number;
  /** Excludes the bound itself. */
  readonly below?: number;
}

/** The TypeScript type of a value of this type. */
export type ValueOf<T extends ValueType> = T extends { readonly kind: "number" }
  ? number
  : T extends { readonly kind: "boolean" }
    ? boolean
    : T extends { readonly kind: "choice"; readonly choices: readonly (infer Choice)[] }
      ? Choice
      : T extends { readonly kind: "list" }
        ? readonly string[]
        : string;

/** More steps, tokens or examples than any run counts: sums and products of such numbers stay exact. */
export const LARGEST_COUNT = 1_000_000_000;
/** Seeds stay exact after restarts and stages have added their offsets. */
export const LARGEST_SEED = 2 ** 52 - 1;

export const integer = (minimum: number, maximum: number = LARGEST_COUNT) =>
  ({ kind: "number", integer: true, minimum, maximum }) as const;
export const between = (minimum: number, maximum: number) => ({ kind: "number", minimum, maximum }) as const;
/** 0 to below 1: shares and probabilities that must leave something. */
export const share = { kind: "number", minimum: 0, below: 1 } as const;
export const flag = { kind: "boolean" } as const;
export const list = { kind: "list" } as const;
export const text = { kind: "text" } as const;
export const choice = <const C extends readonly string[]>(...choices: C) => ({ kind: "choice", choices }) as const;

/** Values of a type in words, such as "an integer from 1 to 65536". */
export function expectedOf(type: ValueType): string {
  switch (type.kind) {
    case "number": {
      const { integer: whole, minimum, above, maximum, below } = type;
      const bounds =
        minimum !== undefined && maximum !== undefined
          ? [`from ${minimum} to ${maximum}`]
          : [
              ...(minimum === undefined ? [] : [`>= ${minimum}`]),
              ...(above === undefined ? [] : [`above ${above}`]),
              ...(maximum === undefined ? [] : [`<= ${maximum}`]),
              ...(below === undefined ? [] : [`below ${below}`]),
            ];
      return `${whole ? "an integer" : "a number"} ${bounds.join(" and ")}`.trim();
    }
    case "boolean":
      return "true or false";
    case "choice":
      return `one of ${type.choices.join(", ")}`;
    case "list":
      return "names separated by commas";
    case "text":
      return "a text";
  }
}

/** Whether a number is within the bounds of its type; NaN and the infinities never are. */
export function fits(type: NumberType, value: number): boolean {
  const { integer: whole, minimum, above, maximum, below } = type;
  return (
    (whole ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    (minimum === undefined || value >= minimum) &&
    (above === undefined || value > above) &&
    (maximum === undefined || value <= maximum) &&
    (below === undefined || value < below)
  );
}

/** Decimal numbers; JavaScript would read "0x10", "Infinity" and an empty text as numbers too. */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Reads one value. @returns the value, with a warning where its name is an old one; or what is wrong with it */
export function parseValue(
  type: ValueType,
  written: string,
): { readonly value: unknown; readonly warning?: string } | { readonly problem: string } {
  const refused = { problem: `expected ${expectedOf(type)}, got ${JSON.stringify(written)}` };
  switch (type.kind) {
    case "number": {
      const value = DECIMAL.test(written.trim()) ? Number(written) : Number.NaN;
      return fits(type, value) ? { value } : refused;
    }
    case "boolean": {
      const value = BOOLEANS.get(written.toLowerCase());
      return value === undefined ? refused : { value };
    }
    case "choice": {
      if (type.choices.includes(written)) return { value: written };
      const meant = Object.entries(type.deprecated ?? {}).find(([old]) => old === written)?.[1];
      if (meant === undefined) return refused;
      return { value: meant, warning: `${JSON.stringify(written)} is an old name of ${JSON.stringify(meant)}` };
    }
    case "list":
      return { value: written.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()])) };
    case "text":
      return { value: written };
  }
}
