import { createHash, randomUUID } from "node:crypto";
import { AlbertError } from "../errors.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { checkAlias, checkName } from "./names.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import {
  endTraffic,
  giveTraffic,
  NO_TRAFFIC,
  type TrafficEvent,
  type TrafficRequest,
  type TrafficState,
  trafficAfter,
} from "./traffic-rules.ts";
import { type Versions, versionName } from "./versions.ts";
import type { StoreClock, WriteLeases } from "./write-leases.ts";

// The record of every model: its aliases, the traffic of a challenger, and the history of both. It changes by compare-and-swap
// only.

/** The alias that serves. */
export const CHAMPION = "champion";
/** The alias of the version that served before. */
export const PREVIOUS = "previous";

/** A name that points at a version of a model. */
export interface Alias {
  readonly model: string;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  /** Grows by one with every change of this alias; 0 stands for an alias that does not exist. */
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
  readonly reason: string;
  /** Who changed it; absent where callers were not checked. */
  readonly actor?: string;
}

/** One change in an alias's history. */
export interface AliasChange {
  readonly alias: string;
  readonly generation: number;
  /** What it pointed at before and after; absent: nothing. */
  readonly from?: number;
  readonly to?: number;
  readonly changed: number;
  readonly reason: string;
  readonly actor?: string;
}

/** All aliases of one model and the traffic of its challenger, at one instant. */
export interface ModelAliases {
  readonly model: string;
  readonly aliases: Readonly<Record<string, Alias>>;
  readonly traffic: TrafficState;
}

/** What a change of a model's traffic expects and says. */
export interface TrafficUpdate {
  /** Generation of the traffic that the caller saw; another value by now is a conflict. Absent: whatever it is. */
  readonly expectedGeneration?: number;
  readonly reason: string;
  readonly actor?: string;
}

export interface AliasUpdate {
  readonly alias: string;
  /** Absent: the alias goes. */
  readonly version?: number;
  /** What the caller saw; another value by now is a conflict. Absent: whatever it is. */
  readonly expectedGeneration?: number;
}

/** History entries that a model keeps. */
const HISTORY = 500;

/**
 * The form in which records are written. Release 0.1.0 wrote form 1, which names no form and knows no traffic: it is read as a
 * record without any.
 */
const FORM = 2;

interface AliasDocument {
  readonly form?: number;
  readonly aliases: Readonly<Record<string, Alias>>;
  /** Last generation of aliases that are gone. */
  readonly retired: Readonly<Record<string, number>>;
  readonly history: readonly AliasChange[];
  readonly traffic?: TrafficState;
  /** Tells two writers of the same change apart. */
  readonly change: string;
  /** When a damaged record of this model was set aside, until there is a champion again; milliseconds since 1970. */
  readonly setAside?: number;
}

const EMPTY: AliasDocument = { aliases: {}, retired: {}, history: [], change: "" };

export interface AliasesOptions {
  readonly objects: ObjectStore;
  readonly versions: Versions;
  readonly leases: WriteLeases;
  readonly clock: StoreClock;
}

/**
 * The aliases of every model. Those of one model lie in one register, so that several can change together; each change names
 * the generation that it saw, and of two that saw the same one exactly one succeeds.
 */
export class Aliases {
  readonly #options: AliasesOptions;
  /** Wakes this process's watchers at once; those of other processes notice at their next look. */
  readonly #changed = new Set<() => void>();

  constructor(options: AliasesOptions) {
    this.#options = options;
  }

  async list(model: string): Promise<ModelAliases> {
    return snapshot(model, (await this.#read(model)).document);
  }

  async get(model: string, alias: string): Promise<Alias | undefined> {
    checkAlias(alias);
    return own((await this.#read(model)).document.aliases, alias);
  }

  /** Changes of a model's aliases, newest first. */
  async history(model: string, alias?: string): Promise<AliasChange[]> {
    const { history } = (await this.#read(model)).document;
    return history.filter((change) => alias === undefined || change.alias === alias).toReversed();
  }

  /**
   * Changes aliases of one model together.
   *
   * @param expectedTraffic  generation of the model's traffic that the caller saw; absent: whatever it is
   * @throws AlbertError conflict (GENERATION_MISMATCH, with the current generation as metadata); not-found for a version
   *   that does not exist
   */
  async update(
    model: string,
    updates: readonly AliasUpdate[],
    reason: string,
    actor?: string,
    expectedTraffic?: number,
  ): Promise<ModelAliases> {
    for (const { alias } of updates) checkAlias(alias);
    const targets = updates.map(({ version }) => version).filter((version) => version !== undefined);
    return this.#change(model, targets, (document, digests) => {
      if (expectedTraffic !== undefined) checkTraffic(model, expectedTraffic, document);
      const why = { reason, changed: this.#options.clock.now(), ...(actor === undefined ? {} : { actor }) };
      return updates.reduce((before, update) => apply(before, model, update, digests, why), document);
    });
  }

  /**
   * Gives a challenger a share of a model's traffic, in place of any other, on every server that shares the store.
   *
   * @throws AlbertError conflict (GENERATION_MISMATCH); not-found for a version that does not exist; precondition
   *   (VERSION_IN_USE) for the champion, (NO_CHAMPION) where the model has none
   */
  giveTraffic(model: string, request: TrafficRequest, options: TrafficUpdate): Promise<ModelAliases> {
    return this.#change(model, [request.version], (document) => {
      if (options.expectedGeneration !== undefined) checkTraffic(model, options.expectedGeneration, document);
      const champion = own(document.aliases, CHAMPION);
      if (champion === undefined) {
        throw new AlbertError("precondition", `${model} has no champion that could be challenged; promote one first`, {
          reason: "NO_CHAMPION",
          metadata: { model },
        });
      }
      if (champion.version === request.version) {
        throw new AlbertError(
          "precondition",
          `version ${champion.version} of ${model} serves already and cannot challenge itself`,
          { reason: "VERSION_IN_USE" },
        );
      }
      const traffic = giveTraffic(document.traffic ?? NO_TRAFFIC, request, champion.version, this.#why(options));
      return { ...document, traffic };
    });
  }

  /**
   * Takes a challenger's share away; without one nothing changes.
   *
   * @throws AlbertError conflict (GENERATION_MISMATCH)
   */
  async endTraffic(
    model: string,
    options: TrafficUpdate & { readonly event?: Exclude<TrafficEvent, "given"> },
  ): Promise<ModelAliases> {
    const { document } = await this.#read(model);
    if (document.traffic?.rule === undefined) {
      if (options.expectedGeneration !== undefined) checkTraffic(model, options.expectedGeneration, document);
      return snapshot(model, document);
    }
    return this.#change(model, [], (now) => {
      if (options.expectedGeneration !== undefined) checkTraffic(model, options.expectedGeneration, now);
      const traffic = endTraffic(now.traffic ?? NO_TRAFFIC, options.event ?? "ended", this.#why(options));
      return { ...now, traffic };
    });
  }

  #why({ reason, actor }: TrafficUpdate) {
    return { reason, changed: this.#options.clock.now(), ...(actor === undefined ? {} : { actor }) };
  }

  /** Writes the record that `next` makes of the present one, until no other writer comes in between. */
  async #change(
    model: string,
    targets: readonly number[],
    next: (document: AliasDocument, digests: ReadonlyMap<number, string>) => AliasDocument,
  ): Promise<ModelAliases> {
    checkName("model", model);
    const { versions, leases, objects } = this.#options;
    const claims = targets.map((version) => versionName({ model, version }));
    const result = await leases.write({ versions: claims }, async (stillHeld) => {
      const digests = new Map<number, string>();
      for (const version of targets) digests.set(version, (await versions.get(model, version)).digest);
      for (let refused: string | undefined; ; ) {
        const { document, tag } = await this.#read(model);
        if (tag !== undefined && tag === refused) {
          throw new AlbertError(
            "unavailable",
            `the store refuses to change the aliases of ${model}, which nobody else changes`,
            {
              reason: "STORE_UNAVAILABLE",
            },
          );
        }
        const written = { ...next(document, digests), form: FORM, change: randomUUID() };
        stillHeld();
        if (await objects.writeRegister(registerKey(model), encodeRecord(written), tag))
          return snapshot(model, written);
        refused = tag;
      }
    });
    for (const wake of this.#changed) wake();
    return result;
  }

  /**
   * Points an alias at a version. The champion's old version becomes `previous` in the same instant.
   *
   * @param expectedGeneration  of the alias; 0 when it must not exist yet
   * @param expectedTraffic  generation of the model's traffic; absent: whatever it is
   */
  async point(
    model: string,
    version: number,
    options: {
      readonly alias?: string;
      readonly expectedGeneration?: number;
      readonly expectedTraffic?: number;
      readonly reason: string;
      readonly actor?: string;
    },
  ): Promise<Alias> {
    const { alias = CHAMPION, expectedGeneration, expectedTraffic, reason, actor } = options;
    for (;;) {
      const current = await this.get(model, alias);
      if (expectedGeneration !== undefined && expectedGeneration !== (current?.generation ?? 0)) {
        throw generationMismatch(model, alias, expectedGeneration, current);
      }
      const replaces = alias === CHAMPION && current !== undefined && current.version !== version;
      const keepsPrevious = replaces && (await this.#exists(model, current.version));
      try {
        const { aliases } = await this.update(
          model,
          [
            // The generation that was read is expected even when the caller expects none: `previous` depends on it.
            { alias, version, expectedGeneration: current?.generation ?? 0 },
            ...(keepsPrevious ? [{ alias: PREVIOUS, version: current.version }] : []),
          ],
          reason,
          actor,
          expectedTraffic,
        );
        return aliases[alias]!;
      } catch (error) {
        const lostRace = error instanceof AlbertError && error.reason === "GENERATION_MISMATCH";
        if (!lostRace || expectedGeneration !== undefined || expectedTraffic !== undefined) throw error;
      }
    }
  }

  /** Whether a version is there and its record sound: another one is no way back. */
  async #exists(model: string, version: number): Promise<boolean> {
    try {
      await this.#options.versions.get(model, version);
      return true;
    } catch (error) {
      if (isDamagedRecord(error) || (error instanceof AlbertError && error.code === "not-found")) return false;
      throw error;
    }
  }

  /**
   * Points an alias back at the version it had before the present one.
   *
   * @throws AlbertError precondition (NOTHING_TO_ROLL_BACK) when there was none
   */
  async rollback(
    model: string,
    options: {
      readonly alias?: string;
      readonly expectedGeneration?: number;
      readonly reason: string;
      readonly actor?: string;
    },
  ): Promise<Alias> {
    const { alias = CHAMPION } = options;
    const { current, before } = await this.#turnBack(model, alias);
    return this.point(model, before, { expectedGeneration: current?.generation ?? 0, ...options, alias });
  }

  /** The version that a rollback of an alias would lead to. @throws AlbertError precondition (NOTHING_TO_ROLL_BACK) */
  async versionBefore(model: string, alias: string): Promise<number> {
    return (await this.#turnBack(model, alias)).before;
  }

  /**
   * Moves a damaged record of a model's aliases into `quarantine/`, where a person can look at it; the model has no alias then,
   * until a version of it is made the champion again. A record that is sound stays.
   */
  async setAside(model: string): Promise<void> {
    const { objects, clock } = this.#options;
    const register = await objects.readRegister(registerKey(model));
    if (register === undefined) return;
    try {
      await this.#read(model);
    } catch (error) {
      if (!isDamagedRecord(error)) throw error;
      const suffix = createHash("sha256").update(register.bytes).digest("hex").slice(0, 8);
      await objects.putIfAbsent(`quarantine/aliases/${model}/${suffix}`, bytesBody(register.bytes));
      const empty: AliasDocument = { ...EMPTY, setAside: clock.now(), change: randomUUID() };
      await objects.writeRegister(registerKey(model), encodeRecord(empty), register.tag); // another process may have been first
    }
  }

  /** Whether a model has no champion because its record was damaged and set aside. */
  async wasSetAside(model: string): Promise<boolean> {
    return (await this.#read(model)).document.setAside !== undefined;
  }

  async #turnBack(
    model: string,
    alias: string,
  ): Promise<{ readonly current: Alias | undefined; readonly before: number }> {
    const current = await this.get(model, alias);
    const change = (await this.history(model, alias)).find(({ to }) => to !== undefined && to !== current?.version);
    if (change?.to !== undefined) return { current, before: change.to };
    throw new AlbertError("precondition", `${alias} of ${model} has no earlier version`, {
      reason: "NOTHING_TO_ROLL_BACK",
    });
  }

  /**
   * The record of a model now and after every change, by looking at the store every `intervalMs`. Changes that follow
   * each other between two looks are seen as one; a look that fails is repeated at the next.
   */
  async *watch(
    model: string,
    options: { readonly intervalMs: number; readonly signal: AbortSignal; readonly onError?: (error: unknown) => void },
  ): AsyncGenerator<ModelAliases> {
    const { signal, intervalMs, onError } = options;
    let seen: string | undefined;
    while (!signal.aborted) {
      const awoken = new AbortController();
      const wake = () => awoken.abort();
      this.#changed.add(wake); // before the look, so that no change falls between look and wait
      try {
        const document = await this.#read(model).then(
          (read) => read.document,
          (error: unknown) => {
            onError?.(error);
            return undefined;
          },
        );
        if (document !== undefined && document.change !== seen) {
          seen = document.change;
          yield snapshot(model, document);
        }
        await this.#options.clock.wait(intervalMs, AbortSignal.any([signal, awoken.signal]));
      } finally {
        this.#changed.delete(wake);
      }
    }
  }

  async #read(model: string): Promise<{ document: AliasDocument; tag: string | undefined }> {
    checkName("model", model);
    const register = await this.#options.objects.readRegister(registerKey(model));
    if (register === undefined) return { document: EMPTY, tag: undefined };
    const document = decodeRecord<AliasDocument>(register.bytes, `the record of ${model}'s aliases`, FORM);
    return { document, tag: register.tag };
  }
}

function snapshot(model: string, { aliases, traffic = NO_TRAFFIC }: AliasDocument): ModelAliases {
  return { model, aliases, traffic };
}

function checkTraffic(model: string, expected: number, { traffic = NO_TRAFFIC }: AliasDocument): void {
  if (traffic.generation === expected) return;
  const message = `the traffic of ${model} is at generation ${traffic.generation}, not ${expected}; read it again`;
  throw new AlbertError("conflict", message, {
    reason: "GENERATION_MISMATCH",
    metadata: {
      expected: String(expected),
      current: String(traffic.generation),
      version: String(traffic.rule?.version ?? 0),
    },
  });
}

function apply(
  document: AliasDocument,
  model: string,
  { alias, version, expectedGeneration }: AliasUpdate,
  digests: ReadonlyMap<number, string>,
  why: Pick<AliasChange, "reason" | "changed" | "actor">,
): AliasDocument {
  const current = own(document.aliases, alias);
  if (expectedGeneration !== undefined && expectedGeneration !== (current?.generation ?? 0)) {
    throw generationMismatch(model, alias, expectedGeneration, current);
  }
  const generation = 1 + (current?.generation ?? own(document.retired, alias) ?? 0);
  const change: AliasChange = {
    alias,
    generation,
    ...(current === undefined ? {} : { from: current.version }),
    ...(version === undefined ? {} : { to: version }),
    ...why,
  };
  const { [alias]: _, ...others } = document.aliases;
  const { [alias]: __, ...retired } = document.retired;
  const { traffic = NO_TRAFFIC } = document;
  return {
    aliases:
      version === undefined
        ? others
        : {
            ...others,
            [alias]: { model, name: alias, version, digest: digests.get(version)!, generation, ...why },
          },
    retired: version === undefined ? { ...retired, [alias]: generation } : retired,
    history: [...document.history, change].slice(-HISTORY),
    traffic: alias === CHAMPION ? trafficAfter(traffic, version, why) : traffic,
    change: document.change,
    ...(document.setAside === undefined || (alias === CHAMPION && version !== undefined)
      ? {}
      : { setAside: document.setAside }),
  };
}

/** Another generation than a caller expected. */
export function generationMismatch(
  model: string,
  alias: string,
  expected: number,
  current: Alias | undefined,
): AlbertError {
  const now = current === undefined ? "does not exist" : `is at generation ${current.generation}`;
  return new AlbertError("conflict", `${alias} of ${model} ${now}, not ${expected}; read it again`, {
    reason: "GENERATION_MISMATCH",
    metadata: {
      expected: String(expected),
      current: String(current?.generation ?? 0),
      version: String(current?.version ?? 0),
    },
  });
}

/** A value of a record by a name that a caller gave, which may be the name of a property that every object inherits. */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function registerKey(model: string): string {
  return `aliases/${model}`;
}
