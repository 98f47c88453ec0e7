import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";

// The cookie by which the console's page is known after a token was shown once. No script can read it, no other site's page sends
// it, and it counts only for requests that the page itself made: other ports of the same machine are the same site to a browser.

const PLAIN = "albert_session";
/** A browser takes it over TLS only, for this host only. */
const SECURE = "__Host-albert_session";

/** The session that a request belongs to; undefined without one, and for a request that another page made. */
export function sessionOf(request: IncomingMessage): string | undefined {
  const { cookie, origin, host } = request.headers;
  if (cookie === undefined) return undefined;
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return undefined;
  if (origin === undefined ? request.method !== "GET" : origin !== `${schemeOf(request)}://${host}`) return undefined;
  const name = nameOf(request);
  const pair = cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair === undefined ? undefined : pair.slice(name.length + 1);
}

/** @param id  empty: the browser forgets it */
export function sessionCookie(request: IncomingMessage, id: string, lifeMs: number): string {
  const secure = schemeOf(request) === "https" ? "; Secure" : "";
  const age = id === "" ? 0 : Math.floor(lifeMs / 1000);
  return `${nameOf(request)}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}${secure}`;
}

function nameOf(request: IncomingMessage): string {
  return schemeOf(request) === "https" ? SECURE : PLAIN;
}

function schemeOf({ socket }: IncomingMessage): "http" | "https" {
  return socket instanceof TLSSocket ? "https" : "http";
}
