import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status as statusCodes } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../gen/google/rpc/status_pb.js";

// The error that every call of the client throws, and how it is made from what the transport or a batch item reports.

/** What a server says about a failure beyond its status. */
interface FailureDetails {
  /** SCREAMING_SNAKE reason of docs/errors.md; empty when the failure did not come from an albert server. */
  readonly reason: string;
  /** The numbers and names that belong to the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every rejected field of the request. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  /** When the same call may be tried again; undefined: it will not succeed later, or nothing is known. */
  readonly retryAfterMs: number | undefined;
}

/** A call that failed, with everything the server said about it. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** Name of the gRPC status, such as `RESOURCE_EXHAUSTED`. */
  readonly status: string;
  readonly reason: string;
  readonly metadata: FailureDetails["metadata"];
  readonly violations: FailureDetails["violations"];
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, details: FailureDetails, cause?: unknown) {
    super(message, { cause });
    this.status = statusCodes[status] ?? "UNKNOWN";
    this.reason = details.reason;
    this.metadata = details.metadata;
    this.violations = details.violations;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Turns what the transport throws into a `CallError`; anything that is no call failure is passed through. */
export function toCallError(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  const bytes = error.metadata?.get("grpc-status-details-bin")[0];
  const details = bytes instanceof Uint8Array ? readDetails(bytes) : undefined;
  return new CallError(error.code, error.details, details ?? NO_DETAILS, error);
}

/** The failure of one item of a batch or stream. */
export function itemError(status: Status): CallError {
  return new CallError(status.code, status.message, detailsOf(status));
}

const NO_DETAILS: FailureDetails = { reason: "", metadata: {}, violations: [], retryAfterMs: undefined };

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).code === "number" && "details" in error;
}

function readDetails(bytes: Uint8Array): FailureDetails | undefined {
  try {
    return detailsOf(fromBinary(StatusSchema, bytes));
  } catch {
    // Details of a proxy; the status itself still counts.
    return undefined;
  }
}

function detailsOf({ details }: Status): FailureDetails {
  let { reason, metadata, violations, retryAfterMs } = NO_DETAILS;
  for (const detail of details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined) ({ reason, metadata } = info);
    const badRequest = anyUnpack(detail, BadRequestSchema);
    if (badRequest !== undefined) {
      violations = badRequest.fieldViolations.map(({ field, description }) => ({ field, description }));
    }
    const retry = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    if (retry !== undefined) retryAfterMs = durationMs(retry);
  }
  return { reason, metadata, violations, retryAfterMs };
}
