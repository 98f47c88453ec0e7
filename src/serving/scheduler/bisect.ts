import { AlbertError } from "../../errors.ts";
import type { QueuedSequence } from "./queued-request.ts";

/** How to compute again, how to tell whether the engine works at all, and whom to tell. */
export interface BisectSteps {
  /** Computes pieces as a batch and answers them; rejects when the batch fails. */
  readonly run: (pieces: readonly QueuedSequence[]) => Promise<void>;
  /** Computes an input that is known to be good. Rejects when the engine does not work. */
  readonly probe: () => Promise<unknown>;
  /** Whether somebody still waits for a piece. */
  readonly wanted: (piece: QueuedSequence) => boolean;
  /** The runtime fails on this input, although it works on others. */
  readonly culprit: (piece: QueuedSequence, error: unknown) => void;
  /** The engine itself does not work; the input may be as good as any. */
  readonly failed: (piece: QueuedSequence, error: unknown) => void;
}

/**
 * Finds out which input made a batch fail, so that it fails alone. A batch that the runtime refused is run again in halves;
 * a batch under which the worker died is run again one by one, because every further death costs a restart. An input that
 * fails again alone is a culprit, provided that the engine still computes a known input; otherwise the engine is at
 * fault and all that is left fails with its error.
 */
export async function bisect(batch: readonly QueuedSequence[], error: unknown, tools: BisectSteps): Promise<void> {
  const pending = split(batch, error);
  for (let group = pending.shift(); group !== undefined; group = pending.shift()) {
    const wanted = group.filter(tools.wanted);
    if (wanted.length === 0) continue;
    try {
      await tools.run(wanted);
    } catch (again) {
      if (wanted.length > 1) {
        pending.unshift(...split(wanted, again));
      } else if (await works(tools)) {
        tools.culprit(wanted[0]!, again);
      } else {
        for (const piece of [...wanted, ...pending.flat()]) tools.failed(piece, again);
        return;
      }
    }
  }
}

function split(batch: readonly QueuedSequence[], error: unknown): (readonly QueuedSequence[])[] {
  if (batch.length === 1 || workerLost(error)) return batch.map((piece) => [piece]);
  const half = batch.length >> 1;
  return [batch.slice(0, half), batch.slice(half)];
}

/** Whether an error means that the worker died or hung, rather than that the runtime refused. */
export function workerLost(error: unknown): boolean {
  return error instanceof AlbertError && (error.reason === "WORKER_LOST" || error.reason === "WORKER_STALLED");
}

async function works({ probe }: BisectSteps): Promise<boolean> {
  try {
    await probe();
    return true;
  } catch {
    return false;
  }
}
