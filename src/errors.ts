// The closed family of errors that may cross a room's boundary. Every error carries a stable machine `reason`, and
// exactly one `code` that `server/errors/error-table.ts` maps to a gRPC status. Anything else that is thrown is a bug.
//
// Messages say what was expected, what was got and what to do. They never hold a caller's text, a stack or a path that
// the caller did not send.

/** What went wrong, in the vocabulary of the caller. `STATUS_OF_CODE` in `server/errors/error-table.ts` maps every member. */
export type ErrorCode =
  | "invalid-input"
  | "too-large"
  | "not-found"
  | "already-exists"
  | "precondition"
  | "conflict"
  | "overloaded"
  | "unavailable"
  | "deadline"
  | "cancelled"
  | "unauthenticated"
  | "forbidden"
  | "corrupt"
  | "unimplemented"
  | "backend"
  | "internal";

/** One rejected field. `field` is a path in the request's own names, such as `choices[2]` or `spec.recipe.batch_size`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface AlbertErrorOptions {
  /** SCREAMING_SNAKE machine reason; part of the public contract (docs/errors.md). */
  readonly reason: string;
  /** Numbers and identifiers that belong to the reason; goes to `google.rpc.ErrorInfo.metadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Every rejected field at once, never only the first. */
  readonly violations?: readonly FieldViolation[];
  /** The caller may try again after this many milliseconds. Absent: the same call will not succeed later. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** Codes of refusals: a server that is overrun makes thousands a second, and a trace of calls is a sixth of what each costs. */
const WITHOUT_TRACE: ReadonlySet<ErrorCode> = new Set([
  "overloaded",
  "unavailable",
  "unauthenticated",
  "forbidden",
  "deadline",
  "cancelled",
]);

/** The one error class that rooms throw at each other. */
export class AlbertError extends Error {
  override readonly name = "AlbertError";
  readonly code: ErrorCode;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: AlbertErrorOptions) {
    const { stackTraceLimit } = Error;
    if (WITHOUT_TRACE.has(code)) Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.reason = options.reason;
    this.metadata = options.metadata ?? {};
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A request the caller must change: every violated field is listed. */
export function invalidInput(violations: readonly FieldViolation[]): AlbertError {
  const summary = violations.map((v) => `${v.field}: ${v.description}`).join("; ");
  return new AlbertError("invalid-input", summary, { reason: "FIELD_INVALID", violations });
}

/** A file whose bytes contradict its format, its checksum or the model's configuration. */
export function corrupt(message: string, options: Partial<AlbertErrorOptions> = {}): AlbertError {
  return new AlbertError("corrupt", message, { reason: "CHECKPOINT_CORRUPT", ...options });
}

/** Holds what must be true whatever a user sends; a failure is a bug in this project. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`${message}: this is a bug`);
}

/** Share by which the advice when to try again is varied, either way. */
const RETRY_SPREAD = 0.25;

/**
 * Varies the time after which refused callers may try again, so that they do not come back together. The one place where
 * that is done: what `retryAfterMs` says is sent as it is.
 *
 * @param random  in [0, 1)
 */
export function spreadRetry(afterMs: number, random: () => number = Math.random): number {
  return Math.ceil(afterMs * (1 - RETRY_SPREAD + 2 * RETRY_SPREAD * random()));
}
