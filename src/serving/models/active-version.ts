import type { ServingConfig } from "../../config/settings.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import { generationMismatch } from "../errors.ts";
import type { MemoryReading } from "./memory.ts";
import type { SwapReport } from "./status.ts";
import { Latencies, SwapTiming } from "./swap-report.ts";
import type { VersionSlot } from "./version-slot.ts";

// Which version of one name serves, and which one served before: every change of it, the draining of the old version, and
// the time for which that is kept. It neither loads versions nor ends their sessions.

export interface ActiveVersionOptions {
  readonly clock: Clock;
  readonly config: Pick<ServingConfig, "keepPreviousMs" | "swapDrainMs">;
  readonly metrics: Pick<Metrics, "models">;
  readonly memory: () => MemoryReading;
}

/** What the owner of the slots does for a change of version. */
export interface SlotOwner {
  readonly name: string;
  /** Whether a version gets a share of the traffic as a challenger, and must stay. */
  isChallenger(slot: VersionSlot): boolean;
  /** Takes a version's share of the traffic away because it begins to serve. */
  endChallenge(slot: VersionSlot): void;
  /** Ends a version; resolves with the number of requests that had to be answered with an error. */
  release(slot: VersionSlot): Promise<number>;
  /** Something has changed that watchers may want to see. */
  changed(): void;
}

/** A change of version that has taken effect. */
export interface Swap {
  readonly generation: number;
  /** The report as far as it is known at the moment of reading. */
  readonly report: () => SwapReport;
  /** Resolves when the old version has answered its last request. */
  readonly drained: Promise<void>;
}

export class ActiveVersion {
  readonly #options: ActiveVersionOptions;
  readonly #owner: SlotOwner;
  readonly #latencies = new Latencies();
  #generation = 0;
  #current: VersionSlot | undefined;
  /** What a rollback returns to; `stopTimer` cancels its release. */
  #previous: { readonly slot: VersionSlot; readonly stopTimer: () => void } | undefined;
  #lastSwap: SwapTiming | undefined;

  constructor(options: ActiveVersionOptions, owner: SlotOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  get current(): VersionSlot | undefined {
    return this.#current;
  }

  get previous(): VersionSlot | undefined {
    return this.#previous?.slot;
  }

  /** Times the name was pointed at another version. */
  get generation(): number {
    return this.#generation;
  }

  get lastSwap(): SwapReport | undefined {
    return this.#lastSwap?.report;
  }

  /** Notes an answered request, for the latencies of swap reports. */
  answered(tookMs: number): void {
    this.#latencies.record(this.#options.clock.now(), tookMs);
  }

  /**
   * Points the name at a loaded version: one assignment. Going back to the version before counts as a rollback.
   *
   * @param expectedGeneration  the generation the caller saw; absent: whatever it is
   * @throws AlbertError conflict GENERATION_MISMATCH
   */
  activate(slot: VersionSlot, expectedGeneration?: number): Swap {
    this.checkGeneration(expectedGeneration);
    return this.#swapTo(slot, this.#previous?.slot === slot ? "rolled_back" : "promoted");
  }

  /** @throws AlbertError conflict GENERATION_MISMATCH when a caller saw another generation */
  checkGeneration(expected: number | undefined): void {
    if (expected !== undefined && expected !== this.#generation) throw generationMismatch(expected, this.#generation);
  }

  /** Stops keeping the previous version; its owner releases it. */
  forgetPrevious(): void {
    this.#previous?.stopTimer();
    this.#previous = undefined;
  }

  /** Nothing serves any more. */
  clear(): void {
    this.forgetPrevious();
    this.#current = undefined;
  }

  #swapTo(slot: VersionSlot, result: SwapReport["result"]): Swap {
    const { clock, metrics, memory } = this.#options;
    const old = this.#current;
    if (old === slot && this.#lastSwap !== undefined) return this.#swapOf(this.#lastSwap, Promise.resolve());
    const began = clock.now();
    const outdated = this.#previous?.slot === slot ? undefined : this.#previous?.slot;
    this.forgetPrevious();
    this.#owner.endChallenge(slot);
    this.#current = slot;
    if (old !== undefined) this.#previous = { slot: old, stopTimer: () => {} };
    this.#generation++;
    const change = {
      name: this.#owner.name,
      ...(old === undefined ? {} : { from: old.version }),
      to: slot.version,
      result,
      generation: this.#generation,
      timeMs: Date.now(),
    };
    // A rollback loads nothing.
    const load = result === "promoted" ? slot.record : { began, phaseSeconds: {}, rssBeforeBytes: memory().usedBytes };
    const timing = new SwapTiming(change, load, clock, this.#latencies);
    timing.phase("flip", (clock.now() - began) / 1000);
    this.#lastSwap = timing;
    metrics.models.generation(this.#owner.name, this.#generation);
    metrics.models.swapped(result, "");
    slot.become("serving");
    if (outdated !== undefined && !this.#owner.isChallenger(outdated)) void this.#owner.release(outdated);
    return this.#swapOf(timing, old === undefined ? this.#settle(timing) : this.#drain(old, timing));
  }

  #swapOf(timing: SwapTiming, drained: Promise<void>): Swap {
    return { generation: this.#generation, report: () => timing.report, drained };
  }

  /** There is no old version to wait for. */
  async #settle(timing: SwapTiming): Promise<void> {
    timing.drained(this.#options.memory().usedBytes);
    this.#owner.changed();
  }

  /** Waits for the last requests of a replaced version, and keeps it ready for a while. */
  async #drain(old: VersionSlot, timing: SwapTiming): Promise<void> {
    const { clock, config } = this.#options;
    const began = clock.now();
    const idle = old.loaded?.idle();
    old.become("draining");
    let stop: () => void = () => undefined;
    const timeout = new Promise<void>((resolve) => {
      stop = clock.after(config.swapDrainMs, resolve);
    });
    await Promise.race([idle, timeout]);
    stop();
    this.#endPhase("drain", began, timing);
    timing.drained(this.#options.memory().usedBytes);
    // A rollback may have brought it back meanwhile, or another promotion may have released it.
    if (this.#previous?.slot === old && old.state.kind === "draining") {
      old.become("standby");
      const release = () => this.#releaseOld(old, timing);
      if (config.keepPreviousMs === 0) await release();
      else this.#previous = { slot: old, stopTimer: clock.after(config.keepPreviousMs, () => void release()) };
    }
    this.#owner.changed();
  }

  /** Ends the time in which a rollback to the version before is possible. */
  async #releaseOld(old: VersionSlot, timing: SwapTiming): Promise<void> {
    const began = this.#options.clock.now();
    this.forgetPrevious();
    // As a challenger it is still needed.
    if (this.#owner.isChallenger(old)) return;
    timing.failed(await this.#owner.release(old));
    this.#endPhase("release", began, timing);
    this.#owner.changed();
  }

  #endPhase(phase: "drain" | "release", began: number, timing: SwapTiming): void {
    const seconds = (this.#options.clock.now() - began) / 1000;
    timing.phase(phase, seconds);
    this.#options.metrics.models.phase(phase, seconds);
  }
}
