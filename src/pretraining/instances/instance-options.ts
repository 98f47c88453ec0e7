import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { InstanceOptions } from "./instance.ts";

// Refuses options from which no instances can be made.

/** @throws AlbertError invalid-input listing every option that no instance can be made with */
export function checkInstanceOptions(options: InstanceOptions): void {
  const violations: FieldViolation[] = [];
  const require = (holds: boolean, field: string, description: string): void => {
    if (!holds) violations.push({ field, description });
  };
  const share = (value: number): boolean => value >= 0 && value <= 1;
  const count = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;
  const got = (value: number, expected: string): string => `expected ${expected}, got ${value}`;

  const { maxSequenceLength, shortSequenceProb, maskedLmProb, maxPredictionsPerSequence, ngram } = options;
  require(count(maxSequenceLength, 5), "max_seq_length", got(maxSequenceLength, "a whole number of at least 5"));
  require(share(shortSequenceProb), "short_seq_prob", got(shortSequenceProb, "0 to 1"));
  require(share(maskedLmProb), "masked_lm_prob", got(maskedLmProb, "0 to 1"));
  require(count(maxPredictionsPerSequence, 1), "max_predictions_per_seq", got(
    maxPredictionsPerSequence,
    "a whole number of at least 1",
  ));
  require(count(ngram, 1), "ngram", got(ngram, "a whole number of at least 1"));
  if (violations.length > 0) throw invalidInput(violations);
}
