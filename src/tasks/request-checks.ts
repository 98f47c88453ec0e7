import type { FieldViolation } from "../errors.ts";
import type { RunOptions, TaskLimits, TaskModel } from "./plan.ts";

/** Beyond this many, further ones tell a caller nothing, and telling them takes time and room. */
const MOST_VIOLATIONS = 100;

/** A sequence shorter than this has no room for a pair with one piece each, or for any context at all. */
const SHORTEST_SEQUENCE = 8;

/** A surrogate that is not half of a pair: under the `u` flag pairs match as one character of another category. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const VISIBLE = /[^\s\p{Cc}\p{Cf}]/u;

/**
 * Collects what is wrong with the fields of one request, so that the caller learns of all of it at once. `field` is the
 * path in the public contract's own (snake case) names.
 */
export class RequestChecks {
  readonly violations: FieldViolation[] = [];
  readonly #limits: TaskLimits;

  constructor(limits: TaskLimits) {
    this.#limits = limits;
  }

  refuse(field: string, description: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ field, description });
  }

  /** A text that must say something and be well-formed Unicode without NUL. */
  text(field: string, text: string): void {
    if (!VISIBLE.test(text)) {
      this.refuse(field, text === "" ? "must not be empty" : "must hold more than white space and control characters");
    }
    this.optionalText(field, text);
  }

  /** A text that may be empty, but must be well-formed. */
  optionalText(field: string, text: string): void {
    if (text.length > this.#limits.maxCharacters) {
      const { maxCharacters } = this.#limits;
      const description = `must be at most ${maxCharacters} characters (inputs.max_chars), got ${text.length}: send it in parts`;
      this.refuse(field, description);
    }
    const nul = text.indexOf("\0");
    if (nul >= 0) this.refuse(field, `must not hold U+0000; found one at character ${nul}`);
    const lone = LONE_SURROGATE.exec(text);
    if (lone !== null)
      this.refuse(field, `must be well-formed Unicode; found a lone surrogate at character ${lone.index}`);
  }

  /** @returns the value, or `fallback` when the caller left it out */
  integer(field: string, value: number | undefined, fallback: number, minimum: number, maximum?: number): number {
    if (value === undefined) return fallback;
    if (!Number.isInteger(value) || value < minimum || (maximum !== undefined && value > maximum)) {
      const range = maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
      this.refuse(field, `must be an integer ${range}, got ${value}`);
      return fallback;
    }
    return value;
  }

  /** @returns the longest sequence to build, special tokens included */
  maxTokens(options: RunOptions, model: TaskModel): number {
    const limit = model.maxSequenceLength;
    return this.integer("options.max_tokens", options.maxTokens, limit, Math.min(SHORTEST_SEQUENCE, limit), limit);
  }

  /** @returns the value, or `fallback` when the caller left it out */
  number(field: string, value: number | undefined, fallback: number, minimum: number, maximum: number): number {
    if (value === undefined) return fallback;
    if (Number.isNaN(value) || value < minimum || value > maximum) {
      this.refuse(field, `must be a number from ${minimum} to ${maximum}, got ${value}`);
      return fallback;
    }
    return value;
  }
}
