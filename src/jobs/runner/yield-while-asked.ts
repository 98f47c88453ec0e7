import { FLAGS } from "./thread-messages.ts";

/** Longest sleep before the flags are looked at again. */
const NAP_MS = 20;

/**
 * Sleeps for as long as the flags ask this thread to leave the processor to those that serve, and do not ask it to stop.
 *
 * @returns the milliseconds that this took; 0 where nothing was asked for
 */
export function yieldWhileAsked(flags: Int32Array): number {
  const asked = () => Atomics.load(flags, FLAGS.yield) === 1 && Atomics.load(flags, FLAGS.stop) === 0;
  if (!asked()) return 0;
  const from = performance.now();
  while (asked()) Atomics.wait(flags, FLAGS.yield, 1, NAP_MS);
  return performance.now() - from;
}
