import { OPTIMIZERS } from "../step/training-step.ts";

/**
 * The update rules by name. `adamw` was the name of Google's rule, without bias correction, in earlier releases; elsewhere it
 * means the corrected one, so it stays an old name with its old meaning and is no name of a rule any more.
 */
export const OPTIMIZER_CHOICE = {
  kind: "choice",
  choices: OPTIMIZERS,
  deprecated: { adamw: "adamw-official" },
} as const;
