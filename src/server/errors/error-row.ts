import type { ErrorCode } from "../../errors.ts";

// What the public contract says of one error reason. Types only.

/** Which typed detail, besides `ErrorInfo`, a reason carries. */
export type DetailKind = "BadRequest" | "QuotaFailure" | "PreconditionFailure" | "ResourceInfo" | "none";

/** Whether trying the same call again can help. */
export type Retry =
  /** After the delay in `RetryInfo`; `grpc-retry-pushback-ms` says the same to clients that retry by themselves. */
  | "later"
  /** At once on another replica, or after the client's own back-off: nothing is pushed back. */
  | "elsewhere"
  /** The caller decides; nothing is pushed back. */
  | "caller"
  /** No: `grpc-retry-pushback-ms` is -1. */
  | "no";

/** One reason of the public contract. */
export interface ErrorRow {
  readonly reason: string;
  readonly code: ErrorCode;
  /** What happened, in the caller's terms. */
  readonly when: string;
  readonly detail: DetailKind;
  readonly retry: Retry;
  /** Keys of `ErrorInfo.metadata` that may be present. */
  readonly metadata?: readonly string[];
  /** For `ResourceInfo`: the kind of resource, and the metadata key that holds its name. */
  readonly resource?: { readonly type: string; readonly name: string };
}
