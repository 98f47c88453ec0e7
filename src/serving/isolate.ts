import { AlbertError } from "../errors.ts";
import type { BatchCost, SequenceOutput } from "../runtime/engine.ts";
import type { Piece } from "./ticket.ts";

/** What became of one piece of a failed batch. */
export type Verdict =
  | { readonly piece: Piece; readonly kind: "computed"; readonly output: SequenceOutput; readonly cost: BatchCost }
  /** The runtime fails on this input, although it works on others. */
  | { readonly piece: Piece; readonly kind: "culprit"; readonly error: unknown }
  /** The engine itself does not work; the input may be as good as any. */
  | { readonly piece: Piece; readonly kind: "failed"; readonly error: unknown };

/** How to compute again, and how to tell whether the engine works at all. */
export interface IsolationTools {
  readonly run: (pieces: readonly Piece[]) => Promise<{ outputs: readonly SequenceOutput[]; cost: BatchCost }>;
  /** Computes an input that is known to be good. Rejects when the engine does not work. */
  readonly probe: () => Promise<unknown>;
  /** Whether somebody still waits for a piece. */
  readonly wanted: (piece: Piece) => boolean;
  /** Called with each group's verdicts as soon as they are known. */
  readonly report: (verdicts: readonly Verdict[]) => void;
}

/**
 * Finds out which input made a batch fail, so that it fails alone. A batch that the runtime refused is run again in halves;
 * a batch under which the worker died is run again one by one, because every further death costs a restart. An input that
 * fails again alone is a culprit, provided that the engine still computes a known input; otherwise the engine is at
 * fault and all that is left fails with its error.
 */
export async function isolate(batch: readonly Piece[], error: unknown, tools: IsolationTools): Promise<void> {
  const pending = split(batch, error);
  for (let group = pending.shift(); group !== undefined; group = pending.shift()) {
    const wanted = group.filter(tools.wanted);
    if (wanted.length === 0) continue;
    try {
      const { outputs, cost } = await tools.run(wanted);
      tools.report(wanted.map((piece, i) => ({ piece, kind: "computed", output: outputs[i]!, cost })));
    } catch (again) {
      if (wanted.length > 1) {
        pending.unshift(...split(wanted, again));
      } else if (await works(tools)) {
        tools.report([{ piece: wanted[0]!, kind: "culprit", error: again }]);
      } else {
        const rest = [...wanted, ...pending.flat()];
        tools.report(rest.map((piece) => ({ piece, kind: "failed", error: again })));
        return;
      }
    }
  }
}

function split(batch: readonly Piece[], error: unknown): (readonly Piece[])[] {
  if (batch.length === 1 || workerLost(error)) return batch.map((piece) => [piece]);
  const half = batch.length >> 1;
  return [batch.slice(0, half), batch.slice(half)];
}

/** Whether an error means that the worker died, rather than that the runtime refused. */
export function workerLost(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "WORKER_LOST";
}

async function works({ probe }: IsolationTools): Promise<boolean> {
  try {
    await probe();
    return true;
  } catch {
    return false;
  }
}
