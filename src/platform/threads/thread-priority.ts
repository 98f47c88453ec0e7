import { readlinkSync } from "node:fs";
import { constants, getPriority, platform, setPriority } from "node:os";

/**
 * Lets the calling thread, and every thread that it starts from now on, yield where others want the processor: of one
 * that is contended they get about a tenth, so that they slow others down little and still come to an end. There is no way
 * back without privileges, so only threads that do such work to their end may call it.
 *
 * Linux alone gives threads priorities of their own; elsewhere this does nothing.
 *
 * @returns whether the priority was lowered
 */
export function lowerThreadPriority(): boolean {
  if (platform() !== "linux") return false;
  try {
    // The link leads to <process>/task/<thread>; reading it synchronously asks for the thread that calls.
    const thread = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    // Seen from the main thread, which may have been started with a low priority itself; a parent may have lowered its priority already.
    const background = getPriority(process.pid) + constants.priority.PRIORITY_BELOW_NORMAL;
    const lowest = constants.priority.PRIORITY_LOW;
    setPriority(thread, Math.max(getPriority(thread), Math.min(lowest, background)));
    return true;
  } catch {
    return false; // a sandbox without /proc, or one that forbids it: the work is done all the same
  }
}
