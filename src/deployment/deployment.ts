import { AlbertError, invalidInput } from "../errors.ts";
import { isDamagedRecord } from "../model/formats/records.ts";
import { KeyedSerialQueue } from "../platform/serial-queue.ts";
import { everyUnreferenced } from "../platform/waiting/clock.ts";
import type { SwapReport } from "../serving/models/status.ts";
import { type Alias, CHAMPION, generationMismatch, type ModelAliases, type TrafficUpdate } from "../store/aliases.ts";
import type { Store } from "../store/store.ts";
import type { TrafficRequest, TrafficRule } from "../store/traffic-rules.ts";
import type { ModelVersion } from "../store/versions.ts";
import { CanaryJudge } from "./canary/canary-judge.ts";
import type { CanaryObserver } from "./canary/canary-observer.ts";
import type { Judgement } from "./canary/judge-canary.ts";
import { ChampionFollower, type FollowerOptions } from "./champion-follower.ts";
import { latestGateReport } from "./gate/gate-report.ts";
import { storeModel } from "./store-model.ts";
import { TrafficFollower } from "./traffic-follower.ts";
import { type ActivationOptions, VersionActivation } from "./version-activation.ts";

// Changes which stored version of a model serves: promotion, rollback, and traffic for a challenger.

export interface DeploymentOptions
  extends ActivationOptions,
    Pick<FollowerOptions, "pollMs" | "onError" | "onFallback"> {
  readonly store: Store;
  readonly canaries: CanaryObserver;
  /** Whether this process answers requests; where it does not, changes only concern the store. */
  readonly serves: boolean;
}

/** What a promotion or a rollback led to. */
export interface Deployed {
  readonly alias: Alias;
  /** Whether the alias pointed at the version before: nothing has changed in the store. */
  readonly unchanged: boolean;
  /** How the swap went; absent where none was needed. */
  readonly report?: SwapReport;
}

export interface PromoteOptions {
  /** Absent: the champion, which serves. */
  readonly alias?: string;
  /** The generation the caller saw; 0 when the alias must not exist yet. */
  readonly expectedGeneration: number;
  /** Promote although the gate did not pass. Needs a reason. */
  readonly overrideGate: boolean;
  readonly reason: string;
  /** Who promotes, for the history of the alias; absent where callers were not checked. */
  readonly actor?: string;
}

/** The evidence on canaries is brought into the store, and judged, at every so many looks at the store. */
const POLLS_BETWEEN_JUDGEMENTS = 2;

/**
 * Changes which stored version of a model serves: the champion of every model in the store answers for its name, in this process
 * and in every other one that shares the store.
 *
 * A promotion first loads, verifies and warms the version here, then changes the alias, then activates the version; if anything
 * fails before the alias has changed, nothing has happened. Other processes see the alias change and follow.
 */
export class Deployment {
  readonly #options: DeploymentOptions;
  readonly #activation: VersionActivation;
  readonly #follower: ChampionFollower;
  readonly #traffic: TrafficFollower;
  readonly #judge: CanaryJudge | undefined;
  /** Changes of one model in this process come one after the other. */
  readonly #changes = new KeyedSerialQueue();

  constructor(options: DeploymentOptions) {
    this.#options = options;
    this.#activation = new VersionActivation(options);
    const parts = {
      ...options,
      activation: this.#activation,
      exclusively: <T>(model: string, change: () => Promise<T>) => this.#changes.run(model, change),
    };
    this.#traffic = new TrafficFollower(parts);
    this.#follower = new ChampionFollower({
      ...parts,
      onRecord: (record) => void this.#traffic.follow(record),
    });
    if (options.serves) {
      this.#judge = new CanaryJudge({
        ...parts,
        intervalMs: POLLS_BETWEEN_JUDGEMENTS * options.pollMs,
        every: everyUnreferenced,
        decide: (model, rule, judgement) => this.#decide(model, rule, judgement),
      });
    }
  }

  /**
   * Puts a model directory, or a checkpoint of another program, into the store and makes it the champion if its model has none
   * yet: how models that come with the program enter the store on its first start.
   */
  async seed(model: string, directory: string): Promise<ModelVersion> {
    const { store } = this.#options;
    const { version } = await storeModel(store, model, directory);
    await this.#seedChampion(version).catch((error: unknown) => {
      // Another process that starts at the same time was first; or the aliases are damaged, which `start` reports.
      if (!isGenerationMismatch(error) && !isDamagedRecord(error)) throw error;
    });
    return version;
  }

  /** Activates the champion of every model in the store, and follows their changes and new models until `close`. */
  async start(): Promise<void> {
    if (this.#options.serves) await this.#follower.start();
  }

  /** Lets the champion of a model that came into the store serve at once; `start` has been called. */
  follow(model: string): void {
    if (this.#options.serves) this.#follower.follow(model);
  }

  /**
   * Points an alias at a version; for the champion, resolves when the version serves and the one before has drained. An alias that
   * points at the version already stays as it is.
   *
   * @throws AlbertError precondition GATE_FAILED; conflict GENERATION_MISMATCH; whatever loading the version throws
   */
  async promote(model: string, version: number, options: PromoteOptions): Promise<Deployed> {
    const { alias = CHAMPION, expectedGeneration, overrideGate, reason, actor } = options;
    if (overrideGate && reason.trim() === "") {
      throw invalidInput([{ field: "reason", description: "passing over the gate needs a reason" }]);
    }
    const { store, serves } = this.#options;
    return this.#changes.run(model, async () => {
      const stored = await store.versions.get(model, version);
      const before = await store.aliases.get(model, alias);
      if ((before?.generation ?? 0) !== expectedGeneration) {
        throw generationMismatch(model, alias, expectedGeneration, before);
      }
      if (before?.version === version) return this.#unchanged(before);
      if (alias !== CHAMPION) {
        return { alias: await store.aliases.point(model, version, options), unchanged: false };
      }
      if (!overrideGate && before !== undefined) await this.#requireGate(stored);
      const change = {
        expectedGeneration,
        reason: reason === "" ? "promoted" : reason,
        ...(actor === undefined ? {} : { actor }),
      };
      if (!serves) return { alias: await store.aliases.point(model, version, change), unchanged: false };
      return this.#pointChampion(stored, change);
    });
  }

  /** Points an alias back at the version before, once that can serve; instant while it is still in memory. */
  async rollback(
    model: string,
    options: {
      readonly alias?: string;
      readonly expectedGeneration: number;
      readonly reason: string;
      readonly actor?: string;
    },
  ): Promise<Deployed> {
    const { store, serves } = this.#options;
    const { alias = CHAMPION, expectedGeneration, actor } = options;
    const change = {
      alias,
      expectedGeneration,
      reason: options.reason || "rolled back",
      ...(actor === undefined ? {} : { actor }),
    };
    return this.#changes.run(model, async () => {
      if (alias !== CHAMPION || !serves)
        return { alias: await store.aliases.rollback(model, change), unchanged: false };
      const stored = await store.versions.get(model, await store.aliases.versionBefore(model, alias));
      return this.#pointChampion(stored, change);
    });
  }

  /** Brings a version into memory without traffic. */
  async load(model: string, version: number): Promise<ModelVersion> {
    this.#requireServing();
    const stored = await this.#options.store.versions.get(model, version);
    await this.#changes.run(model, () => this.#activation.load(stored));
    return stored;
  }

  /** Releases a version. @throws AlbertError precondition VERSION_IN_USE */
  async unload(model: string, version: number): Promise<ModelVersion> {
    const stored = await this.#options.store.versions.get(model, version);
    await this.#options.live.unload(model, String(version));
    return stored;
  }

  /**
   * Gives a challenger a share of the traffic on every server that shares the store, or takes it away. Where this process serves,
   * the challenger is loaded here first: one that cannot be changes nothing.
   *
   * @throws AlbertError conflict GENERATION_MISMATCH; precondition NO_CHAMPION, VERSION_IN_USE for the champion itself, GATE_FAILED
   *   for a canary that may be promoted by itself; whatever loading the version throws
   */
  async setTraffic(model: string, traffic: TrafficRequest | undefined, update: TrafficUpdate): Promise<ModelAliases> {
    const { store, serves } = this.#options;
    if (traffic === undefined) {
      const record = await store.aliases.endTraffic(model, { ...update, reason: update.reason || "ended" });
      if (serves) await this.#traffic.follow(record);
      return record;
    }
    const { conditions } = traffic;
    const stored = await store.versions.get(model, traffic.version);
    if (conditions?.decide === "promote" && !conditions.overrideGate) await this.#requireGate(stored);
    if (serves) await this.#traffic.prepare(model, traffic.version);
    try {
      const record = await store.aliases.giveTraffic(model, traffic, { ...update, reason: update.reason || "given" });
      if (serves) {
        this.#follower.follow(model);
        await this.#traffic.follow(record);
      }
      return record;
    } catch (error) {
      // What was loaded for nothing goes again.
      if (serves) await this.#traffic.follow(await store.aliases.list(model));
      throw error;
    }
  }

  /** Stops following and judging. What serves goes on. */
  async close(): Promise<void> {
    await this.#judge?.close();
    await this.#follower.close();
    await this.#traffic.close();
  }

  /** Acts on the verdict on a canary, as far as its conditions allow. What another server has done first stays. */
  async #decide(model: string, rule: TrafficRule, { verdict, reason }: Judgement): Promise<void> {
    const { store, canaries } = this.#options;
    const decide = rule.conditions?.decide ?? "none";
    if (decide === "none" || verdict === "undecided" || (verdict === "good" && decide !== "promote")) return;
    try {
      let decision: "promoted" | "rolled-back" = "rolled-back";
      let why = reason;
      if (verdict === "good") {
        const objection = await this.#objection(model, rule);
        if (objection === undefined) decision = "promoted";
        else why = `${reason}; but ${objection}`;
      }
      if (decision === "promoted") await this.#promoteCanary(model, rule, why);
      else {
        const change = { expectedGeneration: rule.generation, reason: why, event: decision } as const;
        await this.#traffic.follow(await store.aliases.endTraffic(model, change));
      }
      canaries.decided(model, decision === "promoted" ? "promoted" : "rolled_back", rule.version, why);
    } catch (error) {
      if (!isGenerationMismatch(error)) throw error;
    }
  }

  /** Why the gate is against a canary that is good otherwise: it may have judged since the canary began. */
  async #objection(model: string, { version, conditions }: TrafficRule): Promise<string | undefined> {
    if (conditions?.overrideGate) return undefined;
    try {
      await this.#requireGate(await this.#options.store.versions.get(model, version));
      return undefined;
    } catch (error) {
      if (error instanceof AlbertError && error.reason === "GATE_FAILED") return error.message;
      throw error;
    }
  }

  #promoteCanary(model: string, { version, champion, generation }: TrafficRule, reason: string): Promise<Deployed> {
    const { store } = this.#options;
    return this.#changes.run(model, async () => {
      const stored = await store.versions.get(model, version);
      const before = await store.aliases.get(model, CHAMPION);
      if (before?.version !== champion) throw generationMismatch(model, CHAMPION, generation, before);
      const expected = { expectedGeneration: before.generation, expectedTraffic: generation };
      return this.#pointChampion(stored, { ...expected, reason });
    });
  }

  /** Loads a version, makes it the champion and activates it. What was loaded for a change that failed is unloaded. */
  async #pointChampion(
    stored: ModelVersion,
    change: {
      readonly expectedGeneration: number;
      readonly expectedTraffic?: number;
      readonly reason: string;
      readonly actor?: string;
    },
  ): Promise<Deployed> {
    const { model, version } = stored;
    const release = await this.#activation.load(stored);
    const alias = await this.#options.store.aliases
      .point(model, version, { ...change, alias: CHAMPION })
      .catch(async (error: unknown) => {
        await release();
        throw error;
      });
    this.#follower.follow(model);
    return this.#activated(alias, false);
  }

  /** An alias that points where it should. A champion that this process could not activate before is tried again. */
  async #unchanged(alias: Alias): Promise<Deployed> {
    if (alias.name !== CHAMPION || !this.#options.serves) return { alias, unchanged: true };
    return this.#activated(alias, true);
  }

  async #activated(alias: Alias, unchanged: boolean): Promise<Deployed> {
    const report = await this.#activation.activate(alias);
    return { alias, unchanged, ...(report === undefined ? {} : { report }) };
  }

  async #seedChampion({ model, version }: ModelVersion): Promise<void> {
    const { aliases } = this.#options.store;
    if (await aliases.wasSetAside(model)) return; // a person chooses what serves instead of what was lost
    if ((await aliases.get(model, CHAMPION)) !== undefined) return;
    await aliases.point(model, version, { expectedGeneration: 0, reason: "first version of the model" });
  }

  async #requireGate({ model, version }: ModelVersion): Promise<void> {
    const report = await latestGateReport(this.#options.store.versions, model, version);
    if (report?.verdict === "pass") return;
    const found = report === undefined ? "never ran" : `is ${report.verdict}`;
    throw new AlbertError(
      "precondition",
      `the gate of version ${version} of ${model} ${found}; override it with a reason`,
      {
        reason: "GATE_FAILED",
        metadata: { model, version: String(version), verdict: report?.verdict ?? "none" },
      },
    );
  }

  #requireServing(): void {
    if (this.#options.serves) return;
    throw new AlbertError("precondition", "this process trains and serves no models; ask one that serves", {
      reason: "ROLE_WITHOUT_SERVING",
    });
  }
}

/** Whether another caller changed the alias first. */
export function isGenerationMismatch(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "GENERATION_MISMATCH";
}
