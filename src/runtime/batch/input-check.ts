import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import type { Head } from "../../model/heads.ts";
import { POOLED_OUTPUT, SEQUENCE_OUTPUT, type SequenceInput } from "../engine.ts";

/**
 * Refuses what the graph could not look up, before it can fail a whole batch.
 *
 * @throws AlbertError invalid-input with every violation of every sequence
 */
export function checkSequences(
  sequences: readonly SequenceInput[],
  config: AlbertConfig,
  heads: readonly Head[],
): void {
  const violations: FieldViolation[] = [];
  if (sequences.length === 0) violations.push({ field: "sequences", description: "expected at least one" });
  const kinds = new Map(heads.map((head) => [head.name, head.kind]));
  sequences.forEach((sequence, index) => {
    const refuse = (field: string, description: string) =>
      violations.push({ field: `sequences[${index}].${field}`, description });
    const { inputIds, tokenTypeIds, outputs, maskedPositions, answerMask } = sequence;
    const length = inputIds.length;
    if (length === 0 || length > config.maxPositionEmbeddings) {
      refuse("inputIds", `expected 1 to ${config.maxPositionEmbeddings} tokens, got ${length}`);
    }
    if (!inputIds.every((id) => id >= 0 && id < config.vocabSize)) {
      refuse("inputIds", `expected ids from 0 to ${config.vocabSize - 1}`);
    }
    const types = config.typeVocabSize === 0 ? 2 : config.typeVocabSize; // a model without token types reads none
    if (tokenTypeIds.length !== length || !tokenTypeIds.every((id) => id >= 0 && id < types)) {
      refuse("tokenTypeIds", `expected ${length} ids from 0 to ${types - 1}`);
    }
    if (outputs.length === 0) refuse("outputs", "expected at least one");
    for (const output of outputs) {
      const kind = kinds.get(output);
      if (kind === undefined && output !== POOLED_OUTPUT && output !== SEQUENCE_OUTPUT) {
        refuse("outputs", `the model has no head of this name; it has ${[...kinds.keys()].join(", ") || "none"}`);
      }
      if (kind === "masked-lm" && maskedPositions === undefined) {
        refuse("maskedPositions", "a masked-lm head needs the positions that are wanted");
      }
    }
    if (maskedPositions?.some((position) => position < 0 || position >= length)) {
      refuse("maskedPositions", `expected positions from 0 to ${length - 1}`);
    }
    if (answerMask !== undefined && (answerMask.length !== length || answerMask.some((value) => value > 1))) {
      refuse("answerMask", `expected ${length} values of 0 or 1`);
    }
    for (const field of ["startTopN", "endTopN"] as const) {
      const value = sequence[field];
      if (value !== undefined && !(Number.isInteger(value) && value >= 1)) refuse(field, "expected an integer >= 1");
    }
  });
  if (violations.length > 0) throw invalidInput(violations);
}
