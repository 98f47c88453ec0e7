import { type Tensor2D, tanh } from "@tensorflow/tfjs-core";
import { dense } from "./dense.ts";
import { firstTokens, type HiddenStates } from "./encoder.ts";
import { gatherTokens } from "./gather-tokens.ts";
import type { Variables } from "./variables.ts";

/**
 * tanh(first token @ kernel + bias).
 *
 * @param firstPositions for packed rows, int32 [B,N]: where in its row each segment begins
 * @returns float32 [B, H], or [B*N, H] for packed rows
 */
export function pool(variables: Variables, trunk: HiddenStates, firstPositions?: Tensor2D): Tensor2D {
  const first =
    firstPositions === undefined
      ? firstTokens(trunk.sequenceOutput, trunk.rows, trunk.length)
      : gatherTokens(trunk.sequenceOutput, trunk.length, firstPositions);
  return tanh(dense(first, variables, "bert/pooler/dense"));
}
