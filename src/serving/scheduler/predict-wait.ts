import type { ModelQueue } from "./model-queue.ts";

// How long work that arrives now is predicted to wait. It reads queues and changes none.

/**
 * Predicted milliseconds until a device begins work that joins `queue` now and is due at `due`: what the device has in hand,
 * what is due before it in its own queue, and as much of each other queue as fairness gives that one meanwhile.
 *
 * @param queues  all queues, `queue` among them
 * @param inFlightMs  until the device of `queue` has done what it has in hand
 */
export function predictWaitMs(
  queue: ModelQueue,
  due: number,
  queues: Iterable<ModelQueue>,
  inFlightMs: number,
): number {
  const ahead = queue.backlogMs(queue.positionOf(due));
  let wait = inFlightMs + ahead;
  for (const other of queues) {
    if (other === queue || other.background || other.options.engine.device !== queue.options.engine.device) continue;
    wait += Math.min(other.backlogMs(), ahead + Math.max(0, queue.virtualMs - other.virtualMs));
  }
  return wait;
}
