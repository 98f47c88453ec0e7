import type { ErrorCode } from "../../errors.ts";
import { ADMIN_ERROR_ROWS } from "./admin-error-table.ts";
import type { ErrorRow } from "./error-row.ts";

// The table of all error reasons that callers of the public services can meet, and the gRPC status of every error code.

/** Names and numbers of the gRPC statuses. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof GRPC_STATUS;

/** The gRPC status of every error code: a new code does not compile until it is mapped. */
export const STATUS_OF_CODE: Readonly<Record<ErrorCode, GrpcStatusName>> = {
  "invalid-input": "INVALID_ARGUMENT",
  "too-large": "RESOURCE_EXHAUSTED",
  "not-found": "NOT_FOUND",
  "already-exists": "ALREADY_EXISTS",
  precondition: "FAILED_PRECONDITION",
  conflict: "ABORTED",
  overloaded: "RESOURCE_EXHAUSTED",
  unavailable: "UNAVAILABLE",
  deadline: "DEADLINE_EXCEEDED",
  cancelled: "CANCELLED",
  unauthenticated: "UNAUTHENTICATED",
  forbidden: "PERMISSION_DENIED",
  corrupt: "DATA_LOSS",
  unimplemented: "UNIMPLEMENTED",
  backend: "INTERNAL",
  internal: "INTERNAL",
};

/** Name of a gRPC status number. */
export function statusName(code: number): GrpcStatusName {
  const found = Object.entries(GRPC_STATUS).find(([, number]) => number === code);
  return (found?.[0] ?? "UNKNOWN") as GrpcStatusName;
}

/**
 * Every reason a call can fail with; those that only administrators meet have a table of their own. `docs/errors.md` is
 * generated from both; tests look for unlisted reasons.
 */
export const ERROR_ROWS: readonly ErrorRow[] = [
  {
    reason: "FIELD_INVALID",
    code: "invalid-input",
    when: "A field is empty, out of range, of an unknown enum value, not valid UTF-8, holds NUL, or contradicts another; or the message cannot be decoded, or holds more values than a full batch needs.",
    detail: "BadRequest",
    retry: "no",
  },
  {
    reason: "CREDENTIALS_REFUSED",
    code: "unauthenticated",
    when: "The server asks who calls, and there was no credential, or one that does not hold: wrong, unknown, revoked or expired. The reply does not say which.",
    detail: "none",
    retry: "no",
  },
  {
    reason: "NOT_ALLOWED",
    code: "forbidden",
    when: "The credential lacks the scope of the call, or is not for the model that it touches; the reply does not say whether the model exists.",
    detail: "none",
    retry: "no",
  },
  {
    reason: "INPUT_TOO_LONG",
    code: "invalid-input",
    when: "The text has more tokens than fit and the truncation policy is ERROR, or a document has more windows than allowed.",
    detail: "none",
    retry: "no",
    metadata: ["tokens", "limit", "suggested_policy"],
  },
  {
    reason: "MESSAGE_TOO_LARGE",
    code: "too-large",
    when: "A message, or what it decompresses to, is larger than `server.max_message_bytes`.",
    detail: "none",
    retry: "no",
    metadata: ["limit_bytes"],
  },
  {
    reason: "CALL_UNSUPPORTED",
    code: "unimplemented",
    when: "A call of one message has none or several, or a message is compressed with something other than gzip or deflate.",
    detail: "none",
    retry: "no",
  },
  {
    reason: "MODEL_NOT_FOUND",
    code: "not-found",
    when: "No model of that name is served here.",
    detail: "ResourceInfo",
    retry: "no",
    metadata: ["model", "models", "nearest"],
    resource: { type: "model", name: "model" },
  },
  {
    reason: "SERVICE_NOT_FOUND",
    code: "not-found",
    when: "A health check names something this server does not know.",
    detail: "ResourceInfo",
    retry: "no",
    metadata: ["service"],
    resource: { type: "service", name: "service" },
  },
  {
    reason: "HEAD_MISSING",
    code: "precondition",
    when: "The model has no head of the kind that the call needs, or none of that name.",
    detail: "PreconditionFailure",
    retry: "no",
    metadata: ["wanted", "available"],
  },
  {
    reason: "ENTAILMENT_MISSING",
    code: "precondition",
    when: "The request brings labels of its own, and the head has no label named entailment, or none named contradiction or not_entailment where labels are scored by themselves.",
    detail: "PreconditionFailure",
    retry: "no",
    metadata: ["head", "labels", "available"],
  },
  {
    reason: "VERSION_NOT_LOADED",
    code: "precondition",
    when: "The pinned version is known but not loaded.",
    detail: "PreconditionFailure",
    retry: "no",
    metadata: ["loaded"],
  },
  {
    reason: "QUEUE_FULL",
    code: "overloaded",
    when: "The queue of the server is full.",
    detail: "QuotaFailure",
    retry: "later",
    metadata: ["limit", "value", "bound"],
  },
  {
    reason: "MEMORY_BUDGET",
    code: "overloaded",
    when: "Requests in progress, and replies that are not sent yet, hold `server.inflight_bytes` of the listener.",
    detail: "none",
    retry: "later",
    metadata: ["limit_bytes"],
  },
  {
    reason: "CALLER_LIMIT",
    code: "overloaded",
    when: "The caller has reached one of its limits (`limits.*`, or of its own token).",
    detail: "QuotaFailure",
    retry: "later",
    metadata: ["limit", "value"],
  },
  {
    reason: "DEADLINE_UNREACHABLE",
    code: "overloaded",
    when: "Because of what waits before it, the request cannot be answered before its deadline.",
    detail: "QuotaFailure",
    retry: "later",
    metadata: ["predicted_ms", "remaining_ms", "given_ms"],
  },
  {
    reason: "DEADLINE_TOO_SHORT",
    code: "deadline",
    when: "The deadline is shorter than the input's own predicted run time.",
    detail: "none",
    retry: "no",
    metadata: ["minimum_ms", "remaining_ms", "given_ms"],
  },
  {
    reason: "DEADLINE_PASSED",
    code: "deadline",
    when: "The deadline passed. `stage` is the stage that the request had reached; it is no longer run.",
    detail: "none",
    retry: "caller",
    metadata: ["stage"],
  },
  {
    reason: "CANCELLED",
    code: "cancelled",
    when: "The caller went away. `stage` is the stage that the request had reached.",
    detail: "none",
    retry: "caller",
    metadata: ["stage"],
  },
  {
    reason: "DRAINING",
    code: "unavailable",
    when: "The server is shutting down.",
    detail: "none",
    retry: "later",
  },
  {
    reason: "WARMING",
    code: "unavailable",
    when: "The model is still being loaded, or the server still loads its models and may come to it.",
    detail: "none",
    retry: "later",
  },
  {
    reason: "NO_VERSION",
    code: "unavailable",
    when: "No version of the model could be loaded, or the one that admitted the request was released under it. `failure` is the reason for which it could not be loaded.",
    detail: "none",
    metadata: ["failure"],
    retry: "later",
  },
  {
    reason: "WORKER_LOST",
    code: "unavailable",
    when: "The worker that ran the request died; a new one is being started.",
    detail: "none",
    retry: "elsewhere",
  },
  {
    reason: "WORKER_STALLED",
    code: "unavailable",
    when: "The worker that ran the request stopped answering; it is being replaced.",
    detail: "none",
    retry: "elsewhere",
  },
  {
    reason: "ENGINE_CLOSED",
    code: "unavailable",
    when: "The session that should have run the request has been closed.",
    detail: "none",
    retry: "elsewhere",
  },
  {
    reason: "RUNTIME_REFUSED",
    code: "backend",
    when: "The runtime could not compute this request although the model works on others.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "BATCH_FAILED",
    code: "backend",
    when: "The runtime failed on the batch of this request and on a known good one.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "BACKEND_FAILED",
    code: "backend",
    when: "The runtime returned something other than what was asked for.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "POISON",
    code: "backend",
    when: "The runtime fails on this very input, alone and repeatedly.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "QUARANTINED",
    code: "precondition",
    when: "This input made the runtime fail before and is refused without a run for a while.",
    detail: "PreconditionFailure",
    retry: "no",
    metadata: ["left_ms"],
  },
  {
    reason: "NON_FINITE",
    code: "backend",
    when: "The model gave NaN or an infinity for this input.",
    detail: "none",
    retry: "no",
    metadata: ["head", "tensor", "incident"],
  },
  {
    reason: "GENERATION_MISMATCH",
    code: "conflict",
    when: "The name was pointed at another version since the caller looked: look again, then decide.",
    detail: "none",
    retry: "no",
    metadata: ["expected", "current", "version"],
  },
  {
    reason: "VERSION_IN_USE",
    code: "precondition",
    when: "Something still points at the version that should be unloaded.",
    detail: "PreconditionFailure",
    retry: "no",
  },
  {
    reason: "MEMORY_INSUFFICIENT",
    code: "precondition",
    when: "Loading the version would not leave enough memory free.",
    detail: "PreconditionFailure",
    retry: "no",
    metadata: ["needed_bytes", "used_bytes", "limit_bytes"],
  },
  {
    reason: "WORK_TOO_LARGE",
    code: "too-large",
    when: "What was to be read, checked or compared needs more memory than one piece of work may use (`jobs.heap_bytes`, `jobs.memory_bytes`); nothing else was disturbed.",
    detail: "none",
    retry: "no",
  },
  {
    reason: "THREAD_LOST",
    code: "backend",
    when: "The thread that read a version, compared two or cut a long text into tokens ended before it was done.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "SELF_CHECK_FAILED",
    code: "backend",
    when: "A version that was to be loaded gives numbers that are not finite or not consistent.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
  {
    reason: "DIGEST_MISMATCH",
    code: "corrupt",
    when: "The bytes of a version or of an upload are not those that its digest names.",
    detail: "none",
    retry: "no",
  },
  {
    reason: "DEVICE_UNAVAILABLE",
    code: "precondition",
    when: "The configured device is not present, or its provider is not installed.",
    detail: "PreconditionFailure",
    retry: "no",
  },
  {
    reason: "BUG",
    code: "internal",
    when: "Anything else. The message holds a random incident id; the details are in the server's log under it.",
    detail: "none",
    retry: "no",
    metadata: ["incident"],
  },
];

const BY_REASON: ReadonlyMap<string, ErrorRow> = new Map(
  [...ERROR_ROWS, ...ADMIN_ERROR_ROWS].map((row) => [row.reason, row]),
);

/** The row of a reason; undefined for reasons that only files and start-up raise. */
export function errorRow(reason: string): ErrorRow | undefined {
  return BY_REASON.get(reason);
}
