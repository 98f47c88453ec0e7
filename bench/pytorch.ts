import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { availableThreads } from "../src/runtime/cpu-quota.ts";

/** One model of `training_pytorch.py` on batches of one shape. */
export interface PytorchCase {
  readonly model: "lean" | "lean-fused" | "transformers";
  readonly examples: number;
  readonly length: number;
}

/**
 * Best seconds per training step of each case in PyTorch, on as many threads as we use; null where its model is not installed.
 *
 * @param python interpreter to ask
 * @param steps  timed steps of each case, after one that is not
 * @returns nothing where that interpreter has no PyTorch
 */
export function pytorchSeconds(
  python: string,
  steps: number,
  cases: readonly PytorchCase[],
): readonly (number | null)[] | undefined {
  const script = join(import.meta.dirname, "training_pytorch.py");
  const wanted = cases.map(({ model, examples, length }) => `${model}:${examples}x${length}`);
  try {
    const output = execFileSync(python, [script, `${availableThreads()}`, `${steps}`, ...wanted], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    // The script is ours; it prints one list.
    return JSON.parse(output) as (number | null)[];
  } catch {
    return undefined;
  }
}
