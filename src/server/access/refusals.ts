import { AlbertError } from "../../errors.ts";

// The refusals of callers: one for unknown callers, one for known ones. Neither tells more.

/** Without a credential that holds. */
export function credentialsRefused(): AlbertError {
  const message = "a credential is needed that holds here: a bearer token, or the certificate of a known client";
  return new AlbertError("unauthenticated", message, { reason: "CREDENTIALS_REFUSED" });
}

/** With one that does not allow the call. */
export function notAllowed(): AlbertError {
  return new AlbertError("forbidden", "this credential does not allow that, or not for this model", {
    reason: "NOT_ALLOWED",
  });
}
