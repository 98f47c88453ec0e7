import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { createContextKey } from "@connectrpc/connect";
import { sessionOf } from "../console/session-cookie.ts";
import { alternativeNames } from "../tls/alternative-names.ts";

// What a call over HTTP tells of its connection: handed past Connect, which knows messages and headers only.

/** The connection that a request came by. */
export interface Connection {
  readonly peer: string;
  /** Alternative names of the client's certificate; none where no authority vouches for it. */
  certificateNames(): readonly string[];
  /** Session of the browser that made the request. */
  readonly sessionId?: string | undefined;
  /** Bytes of the request message, once it has come. */
  received(): number;
}

/** Where Connect keeps it. */
export const CONNECTION = createContextKey<Connection>({ peer: "http", certificateNames: () => [], received: () => 0 });

/** The connection of a request. */
export function connectionOf(request: IncomingMessage): Omit<Connection, "received"> {
  const { socket } = request;
  return {
    sessionId: sessionOf(request),
    peer: `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`,
    certificateNames: () =>
      socket instanceof TLSSocket && socket.authorized
        ? alternativeNames(socket.getPeerCertificate().subjectaltname)
        : [],
  };
}
