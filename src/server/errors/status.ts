import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { AlbertError, type ErrorCode } from "../../errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.js";
import type { Retry } from "./error-row.ts";
import { errorRow, GRPC_STATUS, type GrpcStatusName, STATUS_OF_CODE } from "./error-table.ts";

// The one place where an error becomes the status that a caller sees. What a caller must not see goes to the log.

/** Domain of every `ErrorInfo`. */
const ERROR_DOMAIN = "albert";

/**
 * Bounds on what travels in trailers: clients commonly refuse header blocks of more than 8 KiB, and would then see a
 * protocol error instead of ours.
 */
const MAX_MESSAGE_CHARS = 600;
const MAX_DETAILS_BYTES = 3072;
const MAX_VIOLATION_CHARS = 500;
const MAX_VIOLATIONS = 64;

/** A failure as it leaves the process. */
export interface WireError {
  readonly status: Status;
  readonly statusName: GrpcStatusName;
  readonly reason: string;
  /** Value of the `grpc-retry-pushback-ms` trailer; undefined leaves the decision to the client. */
  readonly retryPushbackMs: number | undefined;
}

type Fault = readonly [code: ErrorCode, reason: string, message: string];
const DISK_FULL: Fault = ["overloaded", "DISK_FULL", "the server's disk is full"];
const TOO_MANY_FILES: Fault = [
  "overloaded",
  "TOO_MANY_FILES",
  "the server has as many files open as its system allows",
];

/** What the operating system refuses whatever was asked, by its code. */
const SYSTEM_FAULTS: Readonly<Record<string, Fault>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EROFS: ["precondition", "DISK_READ_ONLY", "the server's disk is read-only"],
  EIO: ["unavailable", "DISK_FAILED", "the server's disk does not read or write"],
  EMFILE: TOO_MANY_FILES,
  ENFILE: TOO_MANY_FILES,
};

/** Receives what the caller must not see. */
export type IncidentLog = (incident: string, error: unknown) => void;

/**
 * Turns whatever was thrown into the taxonomy. An error of ours passes, but what the runtime said of its failures goes to
 * the log and not to the caller; anything else is a bug, of which the caller learns nothing but the random incident id
 * that it has in the log.
 */
export function toAlbertError(error: unknown, logIncident: IncidentLog): AlbertError {
  const known = error instanceof AlbertError && error.code !== "internal";
  if (known && error.code !== "backend") return error;
  const incident = randomUUID();
  logIncident(incident, error);
  const system = SYSTEM_FAULTS[(error as NodeJS.ErrnoException | null | undefined)?.code ?? ""];
  if (system !== undefined) {
    const [code, reason, message] = system;
    return new AlbertError(code, message, { reason, cause: error });
  }
  if (known) {
    const { reason, metadata } = error;
    const message = errorRow(reason)?.when ?? "The runtime failed.";
    return new AlbertError("backend", message, { reason, metadata: { ...metadata, incident }, cause: error });
  }
  return new AlbertError("internal", `the server failed; quote incident ${incident} to its operator`, {
    reason: "BUG",
    metadata: { incident },
    cause: error,
  });
}

/**
 * The one place where errors become gRPC statuses. Advice when to try again is sent unchanged: the code that refuses has spread it.
 */
export function toWireError(error: AlbertError): WireError {
  const statusName = STATUS_OF_CODE[error.code];
  const details = boundedDetails(error);
  return {
    status: create(StatusSchema, {
      code: GRPC_STATUS[statusName],
      message: bounded(error.message, MAX_MESSAGE_CHARS),
      details,
    }),
    statusName,
    reason: error.reason,
    retryPushbackMs: retryPushbackMs(error),
  };
}

/** Whether and when the same call may be tried again: the reason's row, or what its code says for unlisted reasons. */
function retryOf(error: AlbertError): Retry {
  if (error.retryAfterMs !== undefined) return "later";
  const row = errorRow(error.reason);
  if (row !== undefined && row.retry !== "later") return row.retry;
  if (error.code === "unavailable" || error.code === "overloaded") return "elsewhere";
  return error.code === "deadline" || error.code === "cancelled" ? "caller" : "no";
}

function retryPushbackMs(error: AlbertError): number | undefined {
  const retry = retryOf(error);
  if (retry === "no") return -1;
  if (retry !== "later" || error.retryAfterMs === undefined) return undefined;
  return Math.max(1, Math.round(error.retryAfterMs));
}

/** All details; of very many violations as many as fit, and a last one that counts the rest. */
function boundedDetails(error: AlbertError): Any[] {
  const fixed = fixedDetails(error);
  if (error.violations.length === 0) return fixed;
  const size = (details: readonly Any[]) =>
    details.reduce((total, detail) => total + toBinary(AnySchema, detail).length, 0);
  for (let kept = Math.min(error.violations.length, MAX_VIOLATIONS); kept > 0; kept = Math.floor(kept / 2)) {
    const details = [...fixed, violationDetail(error, kept)];
    if (kept === 1 || size(details) <= MAX_DETAILS_BYTES) return details;
  }
  return fixed;
}

function violationDetail(error: AlbertError, kept: number): Any {
  const violations = error.violations.slice(0, kept).map(({ field, description }) => ({
    field: bounded(field, MAX_VIOLATION_CHARS),
    description: bounded(description, MAX_VIOLATION_CHARS),
  }));
  const dropped = error.violations.length - kept;
  if (dropped > 0) violations.push({ field: "", description: `and ${dropped} more` });
  if (error.code !== "precondition") {
    return anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: violations }));
  }
  const conditions = violations.map(({ field, description }) => ({ type: error.reason, subject: field, description }));
  return anyPack(PreconditionFailureSchema, create(PreconditionFailureSchema, { violations: conditions }));
}

function fixedDetails(error: AlbertError): Any[] {
  const { reason, metadata, retryAfterMs } = error;
  const row = errorRow(reason);
  const description = bounded(error.message, MAX_VIOLATION_CHARS);
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: boundedValues(metadata) }),
    ),
  ];
  if (retryAfterMs !== undefined) {
    details.push(
      anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(Math.ceil(retryAfterMs)) })),
    );
  }
  if (row?.detail === "QuotaFailure") {
    const violations = [{ subject: reason, description }];
    details.push(anyPack(QuotaFailureSchema, create(QuotaFailureSchema, { violations })));
  }
  if (row?.detail === "PreconditionFailure" && error.violations.length === 0) {
    const violations = [{ type: reason, subject: metadata["wanted"] ?? metadata["version"] ?? "", description }];
    details.push(anyPack(PreconditionFailureSchema, create(PreconditionFailureSchema, { violations })));
  }
  if (row?.resource !== undefined) {
    const resourceName = bounded(metadata[row.resource.name] ?? "", MAX_VIOLATION_CHARS);
    const resource = create(ResourceInfoSchema, { resourceType: row.resource.type, resourceName, description });
    details.push(anyPack(ResourceInfoSchema, resource));
  }
  return details;
}

function boundedValues(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, bounded(value, MAX_VIOLATION_CHARS)]));
}

/** Well-formed and at most `limit` UTF-16 units. */
function bounded(text: string, limit: number): string {
  const cut = text.length <= limit ? text : `${text.slice(0, limit - 3)}...`;
  return cut.replace(/\p{Surrogate}/gu, "\ufffd");
}
