import { Latencies } from "./latencies.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import type { PairedComparison } from "./shadow.ts";
import type { ModelStatus, SwapPhase, Traffic, VersionState } from "./status.ts";
import type { SwapTiming } from "./swap-report.ts";

/** One version under a name: on its way, loaded or failed. */
export interface Entry {
  readonly version: string;
  state: VersionState;
  loaded?: LoadedVersion;
  loading?: Promise<LoadedVersion>;
  /** When its loading began, on the clock, and what its phases took. */
  began: number;
  readonly phases: Partial<Record<SwapPhase, number>>;
  rssBeforeBytes: number;
}

/** One name that requests can select, and all it may be pointed at. `ModelRegistry` alone changes it. */
export interface Name {
  readonly name: string;
  readonly entries: Map<string, Entry>;
  readonly latencies: Latencies;
  generation: number;
  current?: Entry;
  previous?: Entry;
  /** Calls off the release of the previous version. */
  keepPrevious?: () => void;
  traffic?: Traffic & { readonly comparison: PairedComparison };
  lastSwap?: SwapTiming;
}

/** A version that gets a share of a name's requests. */
export interface Challenger {
  readonly version: LoadedVersion;
  readonly mode: Traffic["mode"];
  readonly comparison: PairedComparison;
}

/** A name that nothing serves yet. */
export function newName(name: string): Name {
  return { name, entries: new Map(), latencies: new Latencies(), generation: 0 };
}

/** The challenger, when a request is among its share. @param random in [0, 1) */
export function drawChallenger({ traffic, entries }: Name, random: () => number): Challenger | undefined {
  if (traffic === undefined || random() * 100 >= traffic.percent) return undefined;
  const version = entries.get(traffic.version)?.loaded;
  return version === undefined ? undefined : { version, mode: traffic.mode, comparison: traffic.comparison };
}

/** The versions of a name that can answer. */
export function loadedVersions(name: Name): string[] {
  return [...name.entries.values()].filter(({ loaded }) => loaded !== undefined).map(({ version }) => version);
}

/** A name as watchers see it. */
export function statusOf(name: Name): ModelStatus {
  const { traffic, lastSwap } = name;
  return {
    name: name.name,
    generation: name.generation,
    ...(name.current === undefined ? {} : { current: name.current.version }),
    ...(name.previous === undefined ? {} : { previous: name.previous.version }),
    ...(traffic === undefined
      ? {}
      : {
          traffic: { mode: traffic.mode, version: traffic.version, percent: traffic.percent },
          comparison: traffic.comparison.summary,
        }),
    versions: [...name.entries.values()].map(({ version, state, loaded }) => ({
      version,
      state,
      ...(loaded === undefined
        ? {}
        : { digest: loaded.digest, device: loaded.engine.device, memoryBytes: loaded.memoryBytes }),
    })),
    ...(lastSwap === undefined ? {} : { lastSwap: lastSwap.report }),
  };
}
