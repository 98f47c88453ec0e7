import { AlbertError, spreadRetry } from "../../errors.ts";
import type { IndexEncoder } from "../index/index-contents.ts";

// The errors with which an index of a server refuses a question.

/** The server has no index of that name. */
export function indexNotFound(name: string, known: readonly string[]): AlbertError {
  const there = known.length === 0 ? "it has none (search.indexes)" : `it has ${known.slice(0, 10).join(", ")}`;
  return new AlbertError("not-found", `this server has no index of that name; ${there}`, {
    reason: "INDEX_NOT_FOUND",
    metadata: { index: name, indexes: known.slice(0, 10).join(",") },
  });
}

/** The index was never read: it is being read for the first time, or failed with this reason. */
export function indexUnavailable(index: string, failure: string | undefined): AlbertError {
  const why =
    failure === undefined
      ? "is still being read; try again shortly"
      : `cannot be read (${failure}, see the server's log); it is tried again`;
  return new AlbertError("unavailable", `the index ${index} ${why}`, {
    reason: "INDEX_UNAVAILABLE",
    metadata: { index, ...(failure === undefined ? {} : { failure }) },
    retryAfterMs: spreadRetry(failure === undefined ? 1000 : 5000),
  });
}

/** No served model has the digest of the encoder that made the index. @param instead  digest of what serves under its name */
export function encoderNotServed(index: string, encoder: IndexEncoder, instead: string | undefined): AlbertError {
  const { name, digest } = encoder;
  const short = (whole: string) => whole.slice(0, 12);
  const found =
    instead === undefined ? "" : ` (${name} serves, of digest ${short(instead)}, whose vectors mean something else)`;
  const message = `the index ${index} was made by the encoder ${name} of digest ${short(digest)}, and no model of that digest serves here${found}: serve that very model, or make the index again with the one that serves (albert search index)`;
  return new AlbertError("precondition", message, {
    reason: "INDEX_ENCODER",
    metadata: { index, wanted: digest, ...(instead === undefined ? {} : { serves: instead }) },
  });
}
