import { InvalidArgumentError } from "commander";
import { expectedOf, fits, type NumberType, parseValue } from "../training/settings/value-type.ts";

// Parsers for numeric flags, with the rules that hyperparameters follow.

/**
 * Reads a flag's number by the rules of hyperparameters: decimal, within two bounds, never NaN or infinite.
 *
 * @returns a parser for commander, which says what was expected and stops with its usage status
 */
export function numberFlag(type: NumberType): (text: string) => number {
  return (text) => {
    const parsed = parseValue(type, text);
    const value = "value" in parsed ? Number(parsed.value) : Number.NaN;
    if (!fits(type, value)) throw new InvalidArgumentError(`Expected ${expectedOf(type)}.`);
    return value;
  };
}

/** A whole number between bounds, both included. */
export function wholeNumber(minimum: number, maximum = 999_999_999): (text: string) => number {
  return numberFlag({ kind: "number", integer: true, minimum, maximum });
}
