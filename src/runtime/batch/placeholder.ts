import { POOLED_OUTPUT, type SequenceInput } from "../engine.ts";
import type { PreparedModel } from "../session/prepared-model.ts";

// Sequences whose answers nobody wants: to warm a session up, and to time it.

/**
 * Sequences of these lengths, of which every head of the model answers each, or the trunk where it has none.
 *
 * @param lengths  1 or more each; one beyond the model's longest is cut to that
 */
export function placeholders(
  { config, heads }: Pick<PreparedModel, "config" | "heads">,
  lengths: readonly number[],
): SequenceInput[] {
  const outputs = heads.length > 0 ? heads.map(({ name }) => name) : [POOLED_OUTPUT];
  return lengths.map((wanted) => {
    const length = Math.min(wanted, config.maxPositionEmbeddings);
    const ids = { inputIds: new Int32Array(length), tokenTypeIds: new Int32Array(length) };
    return { ...ids, outputs, maskedPositions: Int32Array.of(0) };
  });
}
