import { placeOf } from "../traffic/assignment.ts";
import { type CanaryCounts, CanaryTrials, type Trial } from "../traffic/canary-trials.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import { type Comparison, PairedComparison } from "./shadow.ts";
import type { Traffic } from "./status.ts";
import type { VersionSlot } from "./version-slot.ts";

// The share of a name's requests that a challenger gets. It draws requests; it answers and compares none.

/** What a request was drawn for while there is a challenger. */
export interface Draw {
  /** The challenger, for a request of its share. */
  readonly challenger?: { readonly version: LoadedVersion; readonly mode: Traffic["mode"] };
  readonly comparison: PairedComparison;
  /** Present for a request that counts in the judgement of a canary. */
  readonly trial?: Trial;
}

interface Share {
  readonly slot: VersionSlot;
  readonly traffic: Traffic;
  readonly comparison: PairedComparison;
  readonly trials: CanaryTrials;
}

export class TrafficSplit {
  readonly #name: string;
  readonly #random: () => number;
  #share: Share | undefined;

  /**
   * @param name    of the model
   * @param random  in [0, 1): draws the requests that have no key
   */
  constructor(name: string, random: () => number) {
    this.#name = name;
    this.#random = random;
  }

  /** The version that gets a share. */
  get challenger(): VersionSlot | undefined {
    return this.#share?.slot;
  }

  /** The share, and the comparison so far; nothing where there is no challenger. */
  get status(): { readonly traffic?: Traffic; readonly comparison?: Comparison } {
    if (this.#share === undefined) return {};
    return { traffic: this.#share.traffic, comparison: this.#share.comparison.summary };
  }

  /** What was counted of a canary since it was given its share; nothing where there is none. */
  get counts(): CanaryCounts | undefined {
    return this.#share?.traffic.mode === "canary" ? this.#share.trials.counts : undefined;
  }

  /** Gives a loaded version a share, from now on, in place of any other. Comparison and counts begin anew. */
  give(slot: VersionSlot, { mode, version, percent, rule }: Traffic): void {
    const traffic = { mode, version, percent, ...(rule === undefined ? {} : { rule }) };
    this.#share = { slot, traffic, comparison: new PairedComparison(), trials: new CanaryTrials() };
    slot.become(mode);
  }

  end(): void {
    this.#share = undefined;
  }

  /**
   * Decides by lot whether a request is among the challenger's share; equal keys have the same lot.
   *
   * @param key  made only while there is a challenger; absent: each request has a lot of its own, and counts in no judgement
   * @returns undefined where there is no challenger
   */
  draw(key: (() => string) | undefined): Draw | undefined {
    if (this.#share === undefined) return undefined;
    const { slot, traffic, comparison, trials } = this.#share;
    const version = slot.loaded;
    if (version === undefined) return undefined;
    const place = key === undefined ? this.#random() : placeOf(this.#name, traffic.version, key());
    const drawn = place * 100 < traffic.percent;
    const trial =
      key === undefined || traffic.mode !== "canary"
        ? undefined
        : trials.begin(drawn ? "challenger" : "champion", place);
    return {
      comparison,
      ...(drawn ? { challenger: { version, mode: traffic.mode } } : {}),
      ...(trial === undefined ? {} : { trial }),
    };
  }
}
