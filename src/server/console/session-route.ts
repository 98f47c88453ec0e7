import type { IncomingMessage, ServerResponse } from "node:http";
import type { AccessControl } from "../access/access-control.ts";
import { httpCredentials, refuse } from "../access/http-access.ts";
import { sessionCookie, sessionOf } from "./session-cookie.ts";

// Signing in and out of the console.

/** Where the page signs in and out. */
export const SESSION_PATH = "/session";

/**
 * `GET`: who is signed in (204 where nobody is asked, 401 for nobody). `POST` with a bearer token in the header, which no form of
 * another site can send: begins a session. `DELETE`: ends it.
 */
export async function answerSession(
  request: IncomingMessage,
  response: ServerResponse,
  access: AccessControl | undefined,
): Promise<void> {
  response.setHeader("cache-control", "no-store");
  if (access === undefined) {
    response.writeHead(204).end();
    return;
  }
  const id = sessionOf(request);
  switch (request.method) {
    case "POST": {
      const begun = await access.signIn(httpCredentials(request));
      if (begun === undefined) return refuse(response, 401);
      response
        .setHeader("set-cookie", sessionCookie(request, begun, access.sessionLifeMs))
        .writeHead(204)
        .end();
      return;
    }
    case "DELETE":
      if (id !== undefined) access.signOut(id);
      response
        .setHeader("set-cookie", sessionCookie(request, "", 0))
        .writeHead(204)
        .end();
      return;
    case "GET": {
      const caller = await access.callerOf(httpCredentials(request));
      if (caller === undefined) return refuse(response, 401);
      const { name, scopes, models } = caller;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ name, scopes, models }));
      return;
    }
    default:
      response.setHeader("allow", "GET, POST, DELETE").writeHead(405).end();
  }
}
