import { AlbertError } from "../errors.ts";

/** The reason with which a call ends whose deadline has passed. */
export function deadlineExceeded(): AlbertError {
  return new AlbertError("deadline", "the deadline passed before the answer was ready", {
    reason: "DEADLINE_EXCEEDED",
  });
}

/** The reason with which a call ends that nobody waits for any more. */
export function callerGone(): AlbertError {
  return new AlbertError("cancelled", "the caller went away", { reason: "CANCELLED" });
}

/** The reason with which a call ends that meets a server on its way out. */
export function serverDraining(): AlbertError {
  return new AlbertError("unavailable", "the server is shutting down; call another", {
    reason: "DRAINING",
    retryAfterMs: 1000,
  });
}
