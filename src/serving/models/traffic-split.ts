import type { LoadedVersion } from "./loaded-version.ts";
import { type Comparison, PairedComparison } from "./shadow.ts";
import type { Traffic } from "./status.ts";
import type { VersionSlot } from "./version-slot.ts";

// The share of a name's requests that a challenger gets. It draws requests; it answers and compares none.

/** A challenger that a request was drawn for. */
export interface Challenger {
  readonly version: LoadedVersion;
  readonly mode: Traffic["mode"];
  readonly comparison: PairedComparison;
}

export class TrafficSplit {
  readonly #random: () => number;
  #share: { readonly slot: VersionSlot; readonly traffic: Traffic; readonly comparison: PairedComparison } | undefined;

  /** @param random  in [0, 1): draws the requests */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** The version that gets a share. */
  get challenger(): VersionSlot | undefined {
    return this.#share?.slot;
  }

  /** The share, and the comparison so far; nothing where there is no challenger. */
  get status(): { readonly traffic?: Traffic; readonly comparison?: Comparison } {
    if (this.#share === undefined) return {};
    const { mode, version, percent } = this.#share.traffic;
    return { traffic: { mode, version, percent }, comparison: this.#share.comparison.summary };
  }

  /** Gives a loaded version a share, from now on, in place of any other. The comparison begins anew. */
  give(slot: VersionSlot, traffic: Traffic): void {
    this.#share = { slot, traffic, comparison: new PairedComparison() };
    slot.become(traffic.mode);
  }

  end(): void {
    this.#share = undefined;
  }

  /** The challenger, when a request is among its share. */
  draw(): Challenger | undefined {
    if (this.#share === undefined || this.#random() * 100 >= this.#share.traffic.percent) return undefined;
    const { slot, traffic, comparison } = this.#share;
    return slot.loaded === undefined ? undefined : { version: slot.loaded, mode: traffic.mode, comparison };
  }
}
