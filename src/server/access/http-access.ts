import type { IncomingMessage, ServerResponse } from "node:http";
import type { Credentials } from "../../access/authenticator.ts";
import { connectionOf } from "../connect/connection.ts";

// Credentials of requests of HTTP that are no calls, and their refusals.

export function httpCredentials(request: IncomingMessage): Credentials {
  return {
    authorization: request.headers.authorization,
    certificateNames: () => connectionOf(request).certificateNames(),
  };
}

const WORDS = {
  401: "a credential is needed that holds here\n",
  403: "this credential does not allow that\n",
} as const;

export function refuse(response: ServerResponse, status: 401 | 403): void {
  const body = WORDS[status];
  response
    .writeHead(status, {
      "content-type": "text/plain",
      "content-length": body.length,
      ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    })
    .end(body);
}
