import { toBinary } from "@bufbuild/protobuf";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import type { AlbertError } from "../../errors.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.js";
import { toWireError } from "../errors/status.ts";

// An error in the form that grpc-js sends.

/** Trailers of the gRPC ecosystem: rich details, and when clients that retry by themselves may do so. */
export const DETAILS_TRAILER = "grpc-status-details-bin";
const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";

/** An error in the form that grpc-js sends: code, message, and both trailers. */
export function grpcStatus(error: AlbertError): StatusObject & Error {
  const { status, retryPushbackMs } = toWireError(error);
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, Buffer.from(toBinary(StatusSchema, status)));
  if (retryPushbackMs !== undefined) metadata.set(PUSHBACK_TRAILER, String(retryPushbackMs));
  // No true error: a server that refuses thousands a second has no time for the trace of each.
  return { name: "Error", message: status.message, code: status.code, details: status.message, metadata };
}
