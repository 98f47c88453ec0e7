import type { SwapPhase } from "../../metrics/models.ts";
import type { Comparison } from "./shadow.ts";

// What watchers, administrators and reports see of the models.

/** The state of a version, with the data of that state. */
export type VersionState =
  | { readonly kind: "loading" }
  | { readonly kind: "warming" }
  /** Ready, without traffic. */
  | { readonly kind: "standby" }
  | { readonly kind: "serving" }
  | { readonly kind: "shadow" }
  | { readonly kind: "canary" }
  /** Replaced; finishing the requests it admitted. */
  | { readonly kind: "draining" }
  | { readonly kind: "failed"; readonly reason: string; readonly message: string };

/** A challenger's share of a name's traffic. */
export interface Traffic {
  /** `shadow`: the champion answers, the challenger is compared. `canary`: the challenger answers. */
  readonly mode: "shadow" | "canary";
  readonly version: string;
  /** Share of requests, 0 to 100. */
  readonly percent: number;
  /** Names the rule that gave it, where one did. */
  readonly rule?: string;
}

/** One version as watchers see it. */
export interface VersionStatus {
  readonly version: string;
  readonly state: VersionState;
  /** Absent until the model has been read. */
  readonly digest?: string;
  readonly device?: string;
  readonly memoryBytes?: number;
}

/** Everything that serves under one name. */
export interface ModelStatus {
  readonly name: string;
  /** Times the name was pointed at another version. */
  readonly generation: number;
  readonly current?: string;
  /** The version a rollback would return to; loaded. */
  readonly previous?: string;
  readonly traffic?: Traffic;
  readonly comparison?: Comparison;
  readonly versions: readonly VersionStatus[];
  readonly lastSwap?: SwapReport;
}

/** Why nothing answers under a name. */
export interface Outage {
  /** `standby`: a version is in memory, and none was promoted. */
  readonly state: "loading" | "failed" | "standby";
  /** Of the version that is loading, that failed or that waits. */
  readonly version: string;
  /** Reason and message of the version that failed to load, if one did. */
  readonly failure?: Pick<Extract<VersionState, { kind: "failed" }>, "reason" | "message">;
}

/** @returns undefined where a version answers */
export function outageOf({ current, versions }: ModelStatus): Outage | undefined {
  if (current !== undefined) return undefined;
  const failure = failureOf(versions);
  const coming = versions.find(({ state }) => state.kind === "loading" || state.kind === "warming");
  if (coming !== undefined) return { state: "loading", version: coming.version };
  if (failure !== undefined) return { state: "failed", version: failure.version, failure: failure.state };
  return { state: "standby", version: versions[0]?.version ?? "" };
}

/** The version of a name that failed to load last, if one did and none was loaded since. */
export function failureOf(versions: readonly VersionStatus[]) {
  for (const { version, state } of versions) if (state.kind === "failed") return { version, state };
  return undefined;
}

/** What one change of version cost. Latencies are absent where no request ended in their interval. */
export interface SwapReport {
  readonly name: string;
  readonly from?: string;
  readonly to: string;
  readonly result: "promoted" | "rolled_back";
  readonly generation: number;
  /** When the name was pointed at the new version, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly phaseSeconds: Readonly<Partial<Record<SwapPhase, number>>>;
  /** The minute before loading began; from then until the old version had drained; the minute after that. */
  readonly p99BeforeMs?: number;
  readonly p99DuringMs?: number;
  readonly p99AfterMs?: number;
  readonly rssBeforeBytes: number;
  /** Absent until the old version has drained. */
  readonly rssAfterBytes?: number;
  /** Requests that failed because the old version was closed under them. */
  readonly requestsFailed: number;
}
