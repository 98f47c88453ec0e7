import { nearest } from "../config/nearest.ts";
import { AlbertError, invalidInput, spreadRetry } from "../errors.ts";
import type { Stage } from "../metrics/requests.ts";
import type { Cancellation } from "../platform/waiting/cancellation.ts";

// The errors with which the serving room refuses or ends a request, or refuses a change of versions. It decides nothing:
// the code that throws has found out what is wrong.

/** Which bound a request would have broken. */
export type QueueLimit = "requests" | "tokens" | "predicted-ms" | "long-text-chars";

/** The server has more work than it may hold. `retryAfterMs` is when there is predicted to be room again. */
export function queueFull(limit: QueueLimit, value: number, bound: number, retryAfterMs: number): AlbertError {
  return new AlbertError(
    "overloaded",
    `the server is busy: ${Math.ceil(value)} ${limit} in hand, the bound is ${bound}; try again later or elsewhere`,
    {
      reason: "QUEUE_FULL",
      metadata: { limit, value: String(Math.ceil(value)), bound: String(bound) },
      retryAfterMs,
    },
  );
}

/** A pin by the beginning of a digest that several loaded versions share. */
export function ambiguousPin(
  prefix: string,
  found: readonly { readonly version: string; readonly digest: string }[],
): AlbertError {
  const names = found.map(({ version, digest }) => `${digest} (version ${version})`).join(", ");
  const description = `${found.length} digests begin with ${prefix}: ${names}; give more digits`;
  return invalidInput([{ field: "options.digest", description }]);
}

/** Others wait before this request for longer than its deadline allows. */
export function deadlineUnreachable(predictedMs: number, remainingMs: number, retryAfterMs: number): AlbertError {
  return new AlbertError(
    "overloaded",
    `the answer would take about ${Math.ceil(predictedMs)} ms because of the queue, the deadline leaves ${Math.floor(remainingMs)} ms`,
    {
      reason: "DEADLINE_UNREACHABLE",
      metadata: { predicted_ms: String(Math.ceil(predictedMs)), ...remaining(remainingMs) },
      retryAfterMs,
    },
  );
}

/** Even an idle server could not answer this input within its deadline. */
export function deadlineTooShort(minimumMs: number, remainingMs: number): AlbertError {
  return new AlbertError(
    "deadline",
    `this input takes about ${Math.ceil(minimumMs)} ms on an idle server, the deadline leaves ${Math.floor(remainingMs)} ms; set a longer one (the server honours up to server.max_deadline_ms), or send less text`,
    {
      reason: "DEADLINE_TOO_SHORT",
      metadata: { minimum_ms: String(Math.ceil(minimumMs)), ...remaining(remainingMs) },
    },
  );
}

/** The deadline passed while the request was in `stage`. */
export function deadlinePassed(stage: Stage): AlbertError {
  return new AlbertError("deadline", `the deadline passed in stage ${stage}`, {
    reason: "DEADLINE_PASSED",
    metadata: { stage },
  });
}

/** The caller went away while the request was in `stage`. */
function cancelled(stage: Stage): AlbertError {
  return new AlbertError("cancelled", `the caller cancelled in stage ${stage}`, {
    reason: "CANCELLED",
    metadata: { stage },
  });
}

/** Why a signal was aborted: the reason it carries where that is one of ours, else that the caller cancelled. */
export function abortError(signal: Cancellation | undefined, stage: Stage): AlbertError {
  return signal?.reason instanceof AlbertError ? signal.reason : cancelled(stage);
}

/** The server is shutting down and takes nothing new. */
export function draining(): AlbertError {
  return new AlbertError("unavailable", "the server is shutting down; call another one", {
    reason: "DRAINING",
    retryAfterMs: spreadRetry(1000),
  });
}

/** A version was closed under its last requests because they outlived the time given to them. */
export function versionClosed(): AlbertError {
  return new AlbertError("unavailable", "the model version was released before this request was computed; call again", {
    reason: "NO_VERSION",
    retryAfterMs: spreadRetry(100),
  });
}

/** This very input made the runtime fail: the caller must not send it again. */
export function poisonous(cause: unknown): AlbertError {
  return new AlbertError("backend", "the runtime fails on this input, alone and repeatedly; do not send it again", {
    reason: "POISON",
    cause,
  });
}

/** This row of a batch came back as NaN or infinity; its neighbours are not affected. */
export function nonFinite(): AlbertError {
  return new AlbertError("backend", "the model's numbers overflow on this input; do not send it again", {
    reason: "NON_FINITE",
  });
}

/** The input is known to make the runtime fail and is refused without a run for a while. */
export function quarantined(remainingMs: number): AlbertError {
  return new AlbertError(
    "precondition",
    `this input made the runtime fail before and is refused for another ${Math.ceil(remainingMs / 1000)} s`,
    { reason: "QUARANTINED", metadata: { left_ms: String(Math.ceil(remainingMs)) } },
  );
}

/** No model of that name is served here. */
export function modelNotFound(name: string, served: readonly string[]): AlbertError {
  const known = served.length === 0 ? "none is served" : `served are ${served.slice(0, 10).join(", ")}`;
  const wanted = name === "" ? "there is no default model" : "no model of that name is served";
  const similar = nearest(name, served);
  const hint = similar === undefined ? "" : `; did you mean ${similar}?`;
  return new AlbertError("not-found", `${wanted}; ${known}${hint}`, {
    reason: "MODEL_NOT_FOUND",
    metadata: {
      model: name,
      models: served.slice(0, 10).join(","),
      ...(similar === undefined ? {} : { nearest: similar }),
    },
  });
}

/** The name is served, but not in the version that was asked for. */
export function versionNotLoaded(name: string, loaded: readonly string[]): AlbertError {
  return new AlbertError(
    "precondition",
    `that version of ${name} is not loaded; loaded are ${loaded.join(", ")}: omit the version, or load it with LoadVersion`,
    { reason: "VERSION_NOT_LOADED", metadata: { loaded: loaded.join(",") } },
  );
}

/** The name exists, but none of its versions answers yet. @param failure  reason of the one that failed to load last */
export function noVersionReady(name: string, warming: boolean, failure?: string): AlbertError {
  return warming
    ? new AlbertError("unavailable", `${name} is still loading; try again shortly`, {
        reason: "WARMING",
        retryAfterMs: spreadRetry(1000),
      })
    : new AlbertError(
        "unavailable",
        `no version of ${name} could be loaded${failure === undefined ? "" : `: ${failure}`}`,
        {
          reason: "NO_VERSION",
          ...(failure === undefined ? {} : { metadata: { failure } }),
          retryAfterMs: spreadRetry(5000),
        },
      );
}

/** The server still loads its models, and one of the wanted name may be among them. */
export function stillStarting(): AlbertError {
  return new AlbertError("unavailable", "the server is still loading its models; try again shortly", {
    reason: "WARMING",
    retryAfterMs: spreadRetry(1000),
  });
}

/** The name was pointed elsewhere since the caller looked. */
export function generationMismatch(expected: number, current: number): AlbertError {
  return new AlbertError("conflict", `the name is at generation ${current}, not ${expected}: look again, then decide`, {
    reason: "GENERATION_MISMATCH",
    metadata: { expected: String(expected), current: String(current) },
  });
}

/** A version that something still points at cannot be unloaded. */
export function versionInUse(by: string): AlbertError {
  return new AlbertError("precondition", `the version is in use: ${by}`, { reason: "VERSION_IN_USE" });
}

/** What the deadline leaves, under the key of today and under `given_ms`, its former name. */
function remaining(ms: number): Record<string, string> {
  const text = String(Math.floor(ms));
  return { remaining_ms: text, given_ms: text };
}
