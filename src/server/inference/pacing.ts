import { setTimeout as delay } from "node:timers/promises";

/** Longest nap between two looks at the queue. */
const LOOK_EVERY_MS = 50;

/** What pacing needs to know of the queue. */
export interface PacedQueue {
  /** Predicted milliseconds that work arriving now would wait. */
  predictedWaitMs(): number;
}

/**
 * Holds back the next item of a batch or stream while the queue is half full, so that one caller's items wait here, where
 * its own deadline and window bound them, instead of being refused and crowding out others.
 *
 * @throws the signal's reason when it aborts meanwhile
 */
export async function awaitTurn(queue: PacedQueue, maxQueueMs: number, signal: AbortSignal): Promise<void> {
  for (let excess = queue.predictedWaitMs() - maxQueueMs / 2; excess > 0; ) {
    await delay(Math.min(excess, LOOK_EVERY_MS), undefined, { signal }).catch(() => signal.throwIfAborted());
    excess = queue.predictedWaitMs() - maxQueueMs / 2;
  }
}
