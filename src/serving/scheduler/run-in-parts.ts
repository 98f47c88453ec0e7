import { CancellationSource } from "../../platform/waiting/cancellation.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import type { PlanInParts } from "../../tasks/plan.ts";
import type { EventLoopBudget } from "./event-loop-budget.ts";
import type { ModelQueue } from "./model-queue.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Work, WorkResult, WorkTiming } from "./work.ts";

// A request of many sequences as a row of small pieces of work: other callers' work gets in between, and only a few inputs
// and outputs are in memory at a time.

/** Predicted device time of one part: about as long as another caller may have to wait because of it. */
const PART_MS = 100;
/** Sequences of one part at most: reading their outputs must not hold the main thread for long. */
const MAX_SEQUENCES = 32;
/** Outputs that are read in one go: some milliseconds where the most answers are asked for. */
const OUTPUTS_AT_ONCE = 4;
/** Parts in the queue at a time, so that the device does not wait for the next. */
const IN_HAND = 2;

/** Where the parts are computed. */
export interface PartsTarget {
  readonly scheduler: Scheduler;
  readonly queue: ModelQueue;
  readonly eventLoop: EventLoopBudget;
  readonly clock: Clock;
}

/**
 * Computes a plan part by part, each as it becomes due. The whole is admitted at once: what cannot be answered in time is
 * refused before its first part.
 *
 * @throws AlbertError as `Scheduler.submit`
 */
export async function runInParts<Answer>(
  plan: PlanInParts<Answer>,
  { scheduler, queue, eventLoop, clock }: PartsTarget,
  work: Omit<Work, "sequences" | "admitted">,
): Promise<{ readonly answer: Answer; readonly timing: WorkTiming }> {
  const began = clock.now();
  const prediction = scheduler.admit(queue, plan.lengths, work);
  const count = plan.lengths.length;
  const size = Math.max(1, Math.min(MAX_SEQUENCES, Math.floor((PART_MS * count) / Math.max(1, prediction.runMs))));
  const signal = new CancellationSource();
  const onAbort = () => signal.abort(work.signal?.reason);
  if (work.signal?.aborted) onAbort();
  else work.signal?.addEventListener("abort", onAbort, { once: true });
  const inHand: Promise<WorkResult>[] = [];
  const spent = { assembleMs: 0, runMs: 0, batches: 0, batchSize: 0, paddedTokens: 0 };
  let postMs = 0;
  let taken = 0;
  try {
    for (let given = 0; given < count; ) {
      while (inHand.length < IN_HAND && taken < count) {
        const sequences = plan.take(size);
        taken += sequences.length;
        const part = scheduler.submit(queue, { ...work, sequences, signal, admitted: true });
        part.catch(() => {}); // awaited below; by then another may have failed
        inHand.push(part);
      }
      const { outputs, timing } = await inHand.shift()!; // as many as are missing have been taken
      spent.assembleMs += timing.assembleMs;
      spent.runMs += timing.runMs;
      spent.batches += timing.batches;
      spent.batchSize = Math.max(spent.batchSize, timing.batchSize);
      spent.paddedTokens += timing.paddedTokens;
      for (let at = 0; at < outputs.length; at += OUTPUTS_AT_ONCE) {
        postMs += await eventLoop.goOn(() => {
          const from = clock.now();
          plan.give(outputs.slice(at, at + OUTPUTS_AT_ONCE));
          return clock.now() - from;
        });
      }
      given += outputs.length;
    }
    const elapsedMs = clock.now() - began - postMs;
    const runMs = Math.min(spent.runMs, elapsedMs);
    const assembleMs = Math.min(spent.assembleMs, elapsedMs - runMs);
    const queueMs = elapsedMs - runMs - assembleMs;
    return { answer: plan.answer(), timing: { ...spent, runMs, assembleMs, queueMs, prediction } };
  } finally {
    work.signal?.removeEventListener("abort", onAbort);
    signal.abort(undefined); // what is in hand is wanted no more
  }
}
