import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { AlbertError } from "../errors.ts";
import { directoryBytes } from "../platform/directory-bytes.ts";
import { type Alias, Aliases, CHAMPION } from "./aliases.ts";
import { Blobs } from "./blobs.ts";
import { trimCache } from "./cache-sweep.ts";
import { CanaryEvidence } from "./canary-evidence.ts";
import { Datasets, type DatasetsOptions } from "./datasets.ts";
import { Judgements } from "./feedback/judgements.ts";
import { ABANDONED_MS, collectGarbage, type GcReport, type GcRules } from "./gc.ts";
import { StoredJobs } from "./jobs/stored-jobs.ts";
import { checkName } from "./names.ts";
import type { ObjectStore } from "./objects/object-store.ts";
import { References } from "./references.ts";
import { type StoreReport, verifyStore } from "./verify.ts";
import { type ModelVersion, Versions } from "./versions.ts";
import { type StoreClock, WriteLeases } from "./write-leases.ts";

// The store as one object: versions, aliases, data sets and their garbage collection over one object store.

/**
 * Where models and datasets live: immutable versions named by their contents, and aliases that say which of them serves.
 * Any number of processes may share one store; all they agree on is in it.
 */
export interface Store {
  readonly versions: Versions;
  readonly aliases: Aliases;
  readonly evidence: CanaryEvidence;
  readonly datasets: Datasets;
  /** What people said of answers. */
  readonly judgements: Judgements;
  readonly references: References;
  /** Jobs that any server of the store may work on. */
  readonly jobs: StoredJobs;
  /**
   * The version that `reference` means: a number ("7"), an alias, or the beginning of a digest; "" is the champion.
   *
   * @throws AlbertError not-found
   */
  resolve(model: string, reference: string): Promise<ModelVersion>;
  /**
   * Removes what nothing keeps.
   *
   * @throws AlbertError unavailable (STORE_COLLECTING) when another process collects
   */
  collectGarbage(rules: GcRules): Promise<GcReport>;
  /**
   * Looks at every record and every file.
   *
   * @param repair  also mends what can be mended, and moves what is damaged into quarantine
   */
  verify(repair: boolean): Promise<StoreReport>;
  /** Removes this machine's copies of versions and datasets that the store no longer has, unless they are young. */
  trimCache(): Promise<void>;
  /** Bytes of local copies. */
  cacheBytes(cache: "versions" | "datasets"): Promise<number>;
  close(): Promise<void>;
}

export interface StoreOptions extends Pick<DatasetsOptions, "resolvePath"> {
  readonly objects: ObjectStore;
  /** Local directory for opened versions and datasets. */
  readonly cacheDirectory: string;
  /** Told of each version or dataset that is wanted here whether the local copy was there and sound. */
  readonly onCacheLookup?: CacheListener | undefined;
  /** The machine's own clock unless given. */
  readonly clock?: StoreClock;
}

/** Hears of lookups in a store's local cache. */
export type CacheListener = (cache: "versions" | "datasets", hit: boolean) => void;

const MACHINE_CLOCK: StoreClock = {
  now: () => Date.now(),
  wait: (ms, signal) => setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};

/** A store over any object store, which it closes. */
export function createStore(options: StoreOptions): Store {
  const { objects, cacheDirectory, resolvePath, clock = MACHINE_CLOCK, onCacheLookup = () => {} } = options;
  const leases = new WriteLeases(objects, clock);
  const blobs = new Blobs(objects, clock.now);
  const references = new References(objects, leases, clock);
  const onVersion = (hit: boolean) => onCacheLookup("versions", hit);
  const versions = new Versions({ objects, blobs, leases, clock, cacheDirectory, onCacheLookup: onVersion });
  const aliases = new Aliases({ objects, versions, leases, clock });
  const evidence = new CanaryEvidence(objects);
  const datasets = new Datasets({
    objects,
    blobs,
    leases,
    clock,
    cacheDirectory,
    onCacheLookup: (hit) => onCacheLookup("datasets", hit),
    ...(resolvePath === undefined ? {} : { resolvePath }),
  });
  return {
    versions,
    aliases,
    evidence,
    judgements: new Judgements(objects),
    datasets,
    references,
    jobs: new StoredJobs(objects),
    resolve: (model, reference) => resolveVersion(versions, aliases, model, reference),
    collectGarbage: (rules) =>
      collectGarbage({ objects, blobs, leases, references, versions, aliases, datasets }, rules),
    verify: (repair) => verifyStore({ objects, blobs, aliases, evidence, leases, cacheDirectory }, repair),
    cacheBytes: (cache) => directoryBytes(join(cacheDirectory, cache === "versions" ? "models" : "datasets")),
    trimCache: () => trimCache(cacheDirectory, { versions, datasets }, ABANDONED_MS),
    close: () => objects.close(),
  };
}

async function resolveVersion(
  versions: Versions,
  aliases: Aliases,
  model: string,
  reference: string,
): Promise<ModelVersion> {
  checkName("model", model);
  if (/^\d{1,6}$/.test(reference)) return versions.get(model, Number(reference));
  const name = reference === "" ? CHAMPION : reference;
  checkName("version", name);
  const alias: Alias | undefined = await aliases.get(model, name);
  if (alias !== undefined) return versions.get(model, alias.version);
  if (/^[0-9a-f]{6,64}$/.test(name)) return versions.byDigest(model, name);
  if ((await versions.list(model)).length === 0) {
    throw new AlbertError("not-found", `there is no model ${model}`, {
      reason: "VERSION_NOT_FOUND",
      metadata: { model, version: name },
    });
  }
  throw new AlbertError("not-found", `${model} has no version ${name}: expected a number, an alias or a digest`, {
    reason: "VERSION_NOT_FOUND",
    metadata: { model, version: name },
  });
}
