import { randomUUID } from "node:crypto";

/** What a caller may choose as its request id: short, printable, without spaces, so that a log line stays a log line. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** The caller's own request id where it is a fit one, else a random one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
}
