import type { ModelTest } from "../../tasks/task-request.ts";
import type { Trial } from "../traffic/canary-trials.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import type { PairedComparison } from "./shadow.ts";

// How a request selects a version, and what it holds while it runs.

/** Which version a request wants. */
export interface ModelSelector {
  /** Name of a model; empty or absent: of those that serve and pass the first of `tests` that any passes, the one that was loaded first. */
  readonly name?: string | undefined;
  /** Tests of models, the most telling first; none: any model will do. Matters only where no name is given. */
  readonly tests?: readonly ModelTest[] | undefined;
  /** A particular version of it. */
  readonly version?: string | undefined;
  /** A particular digest of it, or its first 12 or more hexadecimal digits. */
  readonly digest?: string | undefined;
  /** Requests with equal keys get the same version while a challenger has a share; absent: each draws a lot of its own. */
  readonly key?: () => string;
}

/** Shortest prefix of a digest that identifies a version. */
const DIGEST_PREFIX = 12;

/** Whether a loaded version is the one a selector pins; true for a selector that pins none. */
export function isPinned(version: LoadedVersion, { version: wanted, digest }: ModelSelector): boolean {
  if (wanted) return version.version === wanted;
  return !digest || (digest.length >= DIGEST_PREFIX && version.digest.startsWith(digest.toLowerCase()));
}

/** What a request holds while it runs. */
export interface VersionRef {
  readonly version: LoadedVersion;
  /** A challenger that should compute the same request for comparison. */
  readonly shadow?: { readonly version: LoadedVersion; readonly comparison: PairedComparison };
  /** Where `version` is a canary: the champion, which answers what the canary cannot, and with which it is compared. */
  readonly fallback?: { readonly version: LoadedVersion; readonly comparison: PairedComparison };
  /** Hears how `version` did with the request, for the judgement of a canary. */
  readonly trial?: Trial;
  /** Gives the versions up; calling it again does nothing. */
  release(): void;
}
