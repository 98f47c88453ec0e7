import type { Tensor2D } from "@tensorflow/tfjs-core";
import type { AlbertConfig } from "../config.ts";
import { activate } from "./activations.ts";
import { dense } from "./dense.ts";
import { firstTokens, type HiddenStates } from "./encoder.ts";
import { gatherTokens } from "./gather-tokens.ts";
import type { Variables } from "./variables.ts";

/**
 * activation(first token @ kernel + bias); the activation is tanh in every ALBERT.
 *
 * @param firstPositions for packed rows, int32 [B,N]: where in its row each segment begins
 * @returns float32 [B, H], or [B*N, H] for packed rows
 */
export function pool(
  config: AlbertConfig,
  variables: Variables,
  trunk: HiddenStates,
  firstPositions?: Tensor2D,
): Tensor2D {
  const first =
    firstPositions === undefined
      ? firstTokens(trunk.sequenceOutput, trunk.rows, trunk.length)
      : gatherTokens(trunk.sequenceOutput, trunk.length, firstPositions);
  return activate(dense(first, variables, "bert/pooler/dense"), config.poolerAct);
}
