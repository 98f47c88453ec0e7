import type { IncomingMessage, ServerResponse } from "node:http";
import type { Credentials } from "../../access/authenticator.ts";
import type { Scope } from "../../access/scopes.ts";
import { connectionOf } from "../connect/connection.ts";
import type { AccessControl } from "./access-control.ts";

// Credentials of requests of HTTP that are no calls, and their refusals.

/** What a request of HTTP shows. */
export function httpCredentials(request: IncomingMessage): Credentials {
  const { sessionId, certificateNames } = connectionOf(request);
  return { authorization: request.headers.authorization, sessionId, certificateNames };
}

/** Whether a caller may see a path. @returns as `AccessControl.refusal`; undefined also where callers are not checked */
export async function refusalOf(
  request: IncomingMessage,
  access: AccessControl | undefined,
  scopes: readonly Scope[],
): Promise<401 | 403 | undefined> {
  const { peer } = connectionOf(request);
  const credentials = httpCredentials(request);
  const path = request.url?.split("?", 1)[0]?.slice(0, 128) ?? "";
  return access?.refusal({ credentials, peer, path }, scopes);
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
