import { AlbertError } from "../errors.ts";

/** The reason with which a call ends whose deadline has passed. The stage it had reached is for its handler to tell. */
export function callLate(): AlbertError {
  return new AlbertError("deadline", "the deadline passed before the answer was ready", { reason: "DEADLINE_PASSED" });
}

/** The reason with which a call ends that nobody waits for any more. */
export function callerGone(): AlbertError {
  return new AlbertError("cancelled", "the caller went away", { reason: "CANCELLED" });
}
