import { AlbertError } from "../../errors.ts";
import type { QueuedSequence } from "./queued-request.ts";

// Finds the input that made a batch fail. It decides only what to compute again; the caller maps the result to requests.

/** How to compute again, how to tell whether the engine works at all, and how to report it. */
export interface BisectActions {
  /** Computes sequences as a batch and answers them; rejects when the batch fails. */
  readonly run: (batch: readonly QueuedSequence[]) => Promise<void>;
  /** Computes an input that is known to be good. Rejects when the engine does not work. */
  readonly probe: () => Promise<unknown>;
  /** The runtime fails on this input, although it works on others. */
  readonly reject: (sequence: QueuedSequence, error: unknown) => void;
  /** The engine itself does not work; the input may be as good as any. */
  readonly failed: (sequence: QueuedSequence, error: unknown) => void;
}

/**
 * Computes a failed batch again in parts, so that a bad input fails alone. A batch that the runtime refused is run again
 * in halves; a batch under which the worker died is run again one by one, because every further death costs a restart. An
 * input that fails again alone is rejected, provided that the engine still computes a known input; otherwise the engine
 * is at fault and all that is left fails with its error.
 */
export async function bisect(batch: readonly QueuedSequence[], error: unknown, actions: BisectActions): Promise<void> {
  const pending = split(batch, error);
  for (let group = pending.shift(); group !== undefined; group = pending.shift()) {
    const wanted = group.filter(({ request }) => request.wanted);
    const [first] = wanted;
    if (first === undefined) continue;
    try {
      await actions.run(wanted);
    } catch (again) {
      if (wanted.length > 1) {
        pending.unshift(...split(wanted, again));
      } else if (await works(actions)) {
        actions.reject(first, again);
      } else {
        for (const sequence of [first, ...pending.flat()]) actions.failed(sequence, again);
        return;
      }
    }
  }
}

function split(batch: readonly QueuedSequence[], error: unknown): (readonly QueuedSequence[])[] {
  if (batch.length === 1 || workerLost(error)) return batch.map((sequence) => [sequence]);
  const half = batch.length >> 1;
  return [batch.slice(0, half), batch.slice(half)];
}

/** Whether an error means that the worker died or hung, rather than that the runtime refused. */
export function workerLost(error: unknown): boolean {
  return error instanceof AlbertError && (error.reason === "WORKER_LOST" || error.reason === "WORKER_STALLED");
}

async function works({ probe }: BisectActions): Promise<boolean> {
  try {
    await probe();
    return true;
  } catch {
    return false;
  }
}
