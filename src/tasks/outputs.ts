import { AlbertError, invariant } from "../errors.ts";
import type { OutputName, SequenceOutput } from "../runtime/engine.ts";

// Takes the tensors of one sequence out of an engine's output, and refuses numbers that are not finite.

/**
 * A float tensor of one sequence's output.
 *
 * @throws AlbertError backend (NON_FINITE) when it holds NaN or an infinity: such a row says nothing
 */
export function finiteOutput(output: SequenceOutput | undefined, head: OutputName, tensor: string): Float32Array {
  const values = output?.get(head)?.[tensor];
  invariant(values instanceof Float32Array, `output ${head} holds no float tensor ${tensor}`);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) {
      throw new AlbertError(
        "backend",
        `${tensor} of head ${head} is not finite: the model's weights overflow on this input`,
        {
          reason: "NON_FINITE",
          metadata: { head, tensor },
        },
      );
    }
  }
  return values;
}

/** An index tensor of one sequence's output. */
export function indexOutput(output: SequenceOutput | undefined, head: OutputName, tensor: string): Int32Array {
  const values = output?.get(head)?.[tensor];
  invariant(values instanceof Int32Array, `output ${head} holds no index tensor ${tensor}`);
  return values;
}
