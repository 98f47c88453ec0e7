import type { Aliases } from "./aliases.ts";
import type { Blobs } from "./blobs.ts";
import type { Datasets } from "./datasets.ts";
import type { ObjectStore } from "./objects/object-store.ts";
import type { References } from "./references.ts";
import { type ModelVersion, type Versions, versionName } from "./versions.ts";
import type { WriteLeases } from "./write-leases.ts";

// Garbage collection of the store. It decides by gc roots alone and knows no server and no job.

/** What a garbage collection leaves alone, besides all that an alias, a pin, a reference or a write in progress names. */
export interface GcRules {
  /** Newest versions of each model; at least 1. */
  readonly keepVersions: number;
  /** Latest changes of each model's aliases whose versions stay, so that there is something to roll back to. */
  readonly keepAliasChanges: number;
  /** Versions that this process needs, as `model@number`; asked during the collection, in case the store has not been told. */
  readonly roots?: () => Promise<readonly string[]>;
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
}

export interface GcReport {
  readonly removedVersions: readonly Pick<ModelVersion, "model" | "version" | "digest">[];
  readonly removedBlobs: number;
  readonly freedBytes: number;
}

/** No writer still needs half-written files of this age. */
export const ABANDONED_MS = 3_600_000;

/**
 * Removes the versions that nothing keeps, their opened copies on this machine, and then every blob that no
 * version, dataset or write in progress refers to. Safe while others publish and promote, see `WriteLeases`, and for what
 * other processes need, see `References`.
 *
 * @throws AlbertError unavailable (STORE_COLLECTING) when another process collects
 */
export async function collectGarbage(
  store: {
    readonly objects: ObjectStore;
    readonly blobs: Blobs;
    readonly leases: WriteLeases;
    readonly references: References;
    readonly versions: Versions;
    readonly aliases: Aliases;
    readonly datasets: Datasets;
  },
  rules: GcRules,
): Promise<GcReport> {
  const { objects, blobs, leases, references, versions, aliases, datasets } = store;
  const { dryRun = false } = rules;
  return leases.collect(async (claims, alive) => {
    const removedVersions: ModelVersion[] = [];
    const needed = new Set(claims.blobs);
    const registered = (await references.list()).flatMap((reference) => reference.versions);
    const own = (await rules.roots?.()) ?? [];
    const roots = new Set([...claims.versions, ...registered, ...own]);
    for (const model of await versions.models()) {
      for (const version of await aliasedVersions(aliases, model, rules.keepAliasChanges)) {
        roots.add(versionName({ model, version }));
      }
      const all = await versions.listAll(model);
      const setAside = await aliases.wasSetAside(model); // its champion is unknown until a person names one
      const newest = new Set(all.slice(-Math.max(1, rules.keepVersions)));
      for (const version of all) {
        const kept =
          setAside ||
          newest.has(version) ||
          roots.has(versionName(version)) ||
          (await versions.isPinned(model, version.version));
        if (kept) {
          for (const { sha256 } of Object.values(version.files)) needed.add(sha256);
        } else {
          await alive();
          if (!dryRun) await versions.remove(version);
          removedVersions.push(version);
        }
      }
    }
    if (!dryRun) for (const version of removedVersions) await versions.removeLocal(version, needed);
    for (const { digest, path } of await datasets.listAll()) if (path === undefined) needed.add(digest);
    let removedBlobs = 0;
    let freedBytes = 0;
    for await (const { sha256, bytes } of blobs.list()) {
      if (needed.has(sha256)) continue;
      await alive();
      if (!dryRun) await blobs.delete(sha256);
      removedBlobs++;
      freedBytes += bytes;
    }
    if (!dryRun) {
      await references.sweep();
      await objects.sweep(ABANDONED_MS);
    }
    return {
      removedVersions: removedVersions.map(({ model, version, digest }) => ({ model, version, digest })),
      removedBlobs,
      freedBytes,
    };
  });
}

/** Versions that a model's aliases point at, or did within the last changes, and the one that challenges. */
async function aliasedVersions(aliases: Aliases, model: string, changes: number): Promise<Set<number>> {
  const { aliases: byName, traffic } = await aliases.list(model);
  const present = Object.values(byName).map(({ version }) => version);
  if (traffic.rule !== undefined) present.push(traffic.rule.version);
  const recent = (await aliases.history(model)).slice(0, changes).flatMap(({ from, to }) => [from, to]);
  return new Set([...present, ...recent.filter((version) => version !== undefined)]);
}
