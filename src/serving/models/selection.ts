import { nearest } from "../../config/nearest.ts";
import { AlbertError } from "../../errors.ts";
import type { HeadKind } from "../../model/heads.ts";
import type { LoadedVersion } from "./loaded-version.ts";

/** Which version a request wants. */
export interface ModelSelector {
  /** Name of a model; empty or absent: of those that serve and have a head of `heads`, the one that was loaded first. */
  readonly name?: string;
  /** Kinds of heads of which the request needs one; absent: any model will do. Matters only where no name is given. */
  readonly heads?: readonly HeadKind[];
  /** A particular version of it. */
  readonly version?: string;
  /** A particular digest of it, or its first 12 or more hexadecimal digits. */
  readonly digest?: string;
}

/** Shortest prefix of a digest that identifies a version. */
const DIGEST_PREFIX = 12;

/** Whether a loaded version is the one a selector pins; true for a selector that pins none. */
export function isPinned(version: LoadedVersion, { version: wanted, digest }: ModelSelector): boolean {
  if (wanted) return version.version === wanted;
  return !digest || (digest.length >= DIGEST_PREFIX && version.digest.startsWith(digest.toLowerCase()));
}

/** No model of that name is served here. */
export function modelNotFound(name: string, served: readonly string[]): AlbertError {
  const known = served.length === 0 ? "none is served" : `served are ${served.slice(0, 10).join(", ")}`;
  const wanted = name === "" ? "there is no default model" : "no model of that name is served";
  const similar = nearest(name, served);
  const hint = similar === undefined ? "" : `; did you mean ${similar}?`;
  return new AlbertError("not-found", `${wanted}; ${known}${hint}`, {
    reason: "MODEL_NOT_FOUND",
    metadata: {
      model: name,
      models: served.slice(0, 10).join(","),
      ...(similar === undefined ? {} : { nearest: similar }),
    },
  });
}

/** The name is served, but not in the version that was asked for. */
export function versionNotLoaded(name: string, loaded: readonly string[]): AlbertError {
  return new AlbertError(
    "precondition",
    `that version of ${name} is not loaded; loaded are ${loaded.join(", ")}: omit the version, or load it with LoadVersion`,
    { reason: "VERSION_NOT_LOADED", metadata: { loaded: loaded.join(",") } },
  );
}

/** The name exists, but none of its versions answers yet. */
export function noVersionReady(name: string, warming: boolean): AlbertError {
  return warming
    ? new AlbertError("unavailable", `${name} is still loading; try again shortly`, {
        reason: "WARMING",
        retryAfterMs: 1000,
      })
    : new AlbertError("unavailable", `no version of ${name} could be loaded`, {
        reason: "NO_VERSION",
        retryAfterMs: 5000,
      });
}

/** The name was pointed elsewhere since the caller looked. */
export function generationMismatch(expected: number, current: number): AlbertError {
  return new AlbertError("conflict", `the name is at generation ${current}, not ${expected}: look again, then decide`, {
    reason: "GENERATION_MISMATCH",
    metadata: { expected: String(expected), current: String(current) },
  });
}

/** A version that something still points at cannot be unloaded. */
export function versionInUse(by: string): AlbertError {
  return new AlbertError("precondition", `the version is in use: ${by}`, { reason: "VERSION_IN_USE" });
}
