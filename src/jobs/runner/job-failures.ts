import { AlbertError } from "../../errors.ts";
import { isDiskFull } from "../../platform/disk-space.ts";
import type { JobOutcome } from "../job-outcome.ts";
import type { JobProblem, JobReason } from "../job-state.ts";

// Turns the error that ended a job into the state and the problems that its caller sees.

type Rejected = Extract<JobOutcome, { kind: "rejected" }>;
type Failed = Extract<JobOutcome, { kind: "failed" }>;

/** An error before the first step: what the caller, or the machine, has to change. */
export function rejectionOf(error: unknown): Rejected {
  const reason = reasonOf(error, "CONFIG_INVALID");
  if (!(error instanceof AlbertError)) {
    return {
      kind: "rejected",
      reason,
      problems: [{ where: "spec", what: messageOf(error), hint: "see the server's log" }],
    };
  }
  const { violations, message } = error;
  const problems: readonly JobProblem[] =
    violations.length > 0
      ? violations.map(({ field, description }) => ({ where: field, what: description, hint: "" }))
      : [{ where: "spec", what: message, hint: "" }];
  return { kind: "rejected", reason, problems };
}

/** An error of a run that had begun. */
export function failureOf(error: unknown): Failed {
  const ofData = error instanceof AlbertError && error.code === "invalid-input";
  return {
    kind: "failed",
    reason: reasonOf(error, ofData ? "DATA_INVALID" : "ENGINE_ERROR"),
    message: messageOf(error),
  };
}

function reasonOf(error: unknown, otherwise: JobReason): JobReason {
  if (error instanceof AlbertError) {
    switch (error.reason) {
      case "DATA_INVALID":
      case "NO_EXAMPLES":
      case "TEXT_EMPTY":
      case "TEXT_WITHOUT_INSTANCES":
        return "DATA_INVALID";
      case "DIVERGED":
      case "DISK_FULL":
      case "OUT_OF_MEMORY":
        return error.reason;
      case "WORKER_LOST":
        return "DEVICE_LOST";
    }
    if (error.code === "corrupt") return "CORRUPT_CHECKPOINT";
    if (error.code === "backend") return "ENGINE_ERROR";
    return otherwise;
  }
  if (isDiskFull(error)) return "DISK_FULL";
  return error instanceof RangeError && /allocation/i.test(error.message) ? "OUT_OF_MEMORY" : otherwise;
}

/** Callers see the messages of our own errors, and only the kind of any other. */
function messageOf(error: unknown): string {
  if (error instanceof AlbertError) return error.message;
  if (isDiskFull(error)) return "the server's disk is full";
  return error instanceof Error ? `unexpected ${error.name}` : "unexpected failure";
}
