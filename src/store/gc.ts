import type { Aliases } from "./aliases.ts";
import type { Blobs } from "./blobs.ts";
import type { Datasets } from "./datasets.ts";
import type { ObjectStore } from "./objects/object-store.ts";
import type { Holds } from "./references.ts";
import { type ModelVersion, type Versions, versionName } from "./versions.ts";
import type { WriteLeases } from "./write-leases.ts";

/** What a garbage collection leaves alone, besides all that an alias, a pin, a hold or a write in progress refers to. */
export interface Retention {
  /** Newest versions of each model; at least 1. */
  readonly keepVersions: number;
  /** Latest changes of each model's aliases whose versions stay, so that there is something to roll back to. */
  readonly keepAliasChanges: number;
  /** Versions that this process needs, as `model@number`; asked while the collection runs, in case they are not held yet. */
  readonly references?: () => Promise<readonly string[]>;
  /** Only says what would be removed. */
  readonly dryRun?: boolean;
}

export interface GarbageReport {
  readonly removedVersions: readonly Pick<ModelVersion, "model" | "version" | "digest">[];
  readonly removedBlobs: number;
  readonly freedBytes: number;
}

/** Half-written files this old belong to nobody. */
export const ABANDONED_MS = 3_600_000;

/**
 * Removes the versions that retention does not keep, their opened copies on this machine, and then every blob that no
 * version, dataset or write in progress refers to. Safe while others publish and promote, see `WriteLeases`, and for what
 * other processes need, see `Holds`.
 *
 * @throws AlbertError unavailable (STORE_COLLECTING) when another process collects
 */
export async function collectGarbage(
  store: {
    readonly objects: ObjectStore;
    readonly blobs: Blobs;
    readonly leases: WriteLeases;
    readonly holds: Holds;
    readonly versions: Versions;
    readonly aliases: Aliases;
    readonly datasets: Datasets;
  },
  retention: Retention,
): Promise<GarbageReport> {
  const { objects, blobs, leases, holds, versions, aliases, datasets } = store;
  const { dryRun = false } = retention;
  return leases.collect(async (claims, alive) => {
    const removedVersions: ModelVersion[] = [];
    const needed = new Set(claims.blobs);
    const held = (await holds.list()).flatMap((hold) => hold.versions);
    const references = (await retention.references?.()) ?? [];
    const referenced = new Set([...claims.versions, ...held, ...references]);
    for (const model of await versions.models()) {
      for (const version of await aliasedVersions(aliases, model, retention.keepAliasChanges)) {
        referenced.add(versionName({ model, version }));
      }
      const all = await versions.list(model);
      const newest = new Set(all.slice(-Math.max(1, retention.keepVersions)));
      for (const version of all) {
        const kept =
          newest.has(version) ||
          referenced.has(versionName(version)) ||
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
    for (const { digest, path } of await datasets.list()) if (path === undefined) needed.add(digest);
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
      await holds.sweep();
      await objects.sweep(ABANDONED_MS);
    }
    return {
      removedVersions: removedVersions.map(({ model, version, digest }) => ({ model, version, digest })),
      removedBlobs,
      freedBytes,
    };
  });
}

/** Versions that a model's aliases point at, or did within the last changes. */
async function aliasedVersions(aliases: Aliases, model: string, changes: number): Promise<Set<number>> {
  const present = Object.values((await aliases.list(model)).aliases).map(({ version }) => version);
  const recent = (await aliases.history(model)).slice(0, changes).flatMap(({ from, to }) => [from, to]);
  return new Set([...present, ...recent.filter((version) => version !== undefined)]);
}
