import { AlbertError } from "../../errors.ts";

// How long a call may take, and the errors of a call that is late or cancelled.

/** The deadlines of a listener's calls. */
export interface DeadlineSettings {
  /** Deadline of small unary calls that set none, and the longest one honoured, in milliseconds. */
  readonly defaultDeadlineMs: number;
  readonly maxDeadlineMs: number;
}

/** Time that a call without a deadline gets for each byte of its message: 100 s for a megabyte of text. */
const MS_PER_BYTE = 0.1;

/**
 * How long a call may take, in milliseconds. Streams live as long as their caller wants unless it sets a deadline: each item
 * has limits of its own. A unary call without one gets longer the more it sends.
 *
 * @param givenMs  what its caller allows; undefined where it says nothing
 * @param bytes  size of its request; 0 where that is not known yet
 */
export function allowedMs(
  givenMs: number | undefined,
  streaming: boolean,
  settings: DeadlineSettings,
  bytes = 0,
): number {
  if (streaming) return givenMs ?? Number.POSITIVE_INFINITY;
  return Math.min(givenMs ?? settings.defaultDeadlineMs + bytes * MS_PER_BYTE, settings.maxDeadlineMs);
}

/** The reason of a call whose deadline has passed. Its handler reports the stage that it had reached. */
export function deadlineExceeded(): AlbertError {
  return new AlbertError("deadline", "the deadline passed before the answer was ready", { reason: "DEADLINE_PASSED" });
}

/** The reason of a call that its caller cancelled, or whose connection broke. */
export function callerCancelled(): AlbertError {
  return new AlbertError("cancelled", "the caller went away", { reason: "CANCELLED" });
}
