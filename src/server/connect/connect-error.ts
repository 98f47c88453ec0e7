import { ConnectError } from "@connectrpc/connect";
import { AlbertError, invariant } from "../../errors.ts";
import { toWireError } from "../errors/status.ts";

/** An error of ours in the form that Connect sends: code, message, and the same details as on gRPC. */
export function connectError(error: unknown): ConnectError {
  invariant(error instanceof AlbertError, "whatever runs a call turns all that is thrown into an AlbertError");
  const { status, retryPushbackMs } = toWireError(error);
  const headers = {
    ...(retryPushbackMs === undefined ? {} : { "grpc-retry-pushback-ms": String(retryPushbackMs) }),
    ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }),
  };
  const wire = new ConnectError(status.message, status.code, headers); // codes are gRPC's own numbers
  wire.details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return wire;
}
