import type { OwnLimits } from "./caller-limits.ts";
import { fitsPattern, type Scope } from "./scopes.ts";

// A caller whose credential is known, and what it allows.

/** What a caller may do. */
export interface Grant {
  readonly scopes: readonly Scope[];
  /** Patterns of the names of models for which; `*` for all. */
  readonly models: readonly string[];
  /** Limits by which this caller differs from others; the same object until the credential changes. */
  readonly limits?: OwnLimits;
}

/** A caller whose credential is known. */
export interface Caller extends Grant {
  /** For logs: the kind of credential and its name, such as `token ci (3f9a)`; never a secret. */
  readonly name: string;
  /** Whether the credential still holds now: a stream that was let in ends with it. */
  valid(): boolean;
}

/** Whether a grant has one of these scopes. */
export function mayAny({ scopes }: Grant, wanted: readonly Scope[]): boolean {
  return wanted.some((scope) => scopes.includes(scope));
}

/** Whether a grant is for this model; `undefined` stands for whatever a request does not name. */
export function mayModel({ models }: Grant, name: string | undefined): boolean {
  return models.some((pattern) => fitsPattern(pattern, name));
}
