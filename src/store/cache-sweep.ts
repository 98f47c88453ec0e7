import { readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { MANIFEST_FILE } from "../model/directory/manifest.ts";
import type { Datasets } from "./datasets.ts";
import { markUsed } from "./temporary-cache.ts";
import type { Versions } from "./versions.ts";

// Removes from a store's local cache what no process needs any more. The store itself stays as it is.

/**
 * Removes from a store's local cache what processes were still fetching when they were killed: everything named
 * `*.partial` that nothing was written to for that time. Younger ones may belong to another process that shares the cache.
 */
export async function sweepCache(cacheDirectory: string, olderThanMs: number): Promise<void> {
  const before = Date.now() - olderThanMs;
  for (const name of await entries(join(cacheDirectory, "models"))) {
    await removePartial(join(cacheDirectory, "models", name), before);
  }
  for (const digest of await entries(join(cacheDirectory, "datasets"))) {
    const directory = join(cacheDirectory, "datasets", digest);
    for (const name of await entries(directory)) await removePartial(join(directory, name), before);
  }
}

/**
 * Notes that a store's local cache is in use, and removes from it the copies of versions and datasets that the store no longer has, whichever process removed them.
 * Younger ones may have come into the store since it was asked.
 */
export async function trimCache(
  cacheDirectory: string,
  { versions, datasets }: { readonly versions: Versions; readonly datasets: Datasets },
  olderThanMs: number,
): Promise<void> {
  await markUsed(cacheDirectory);
  const before = Date.now() - olderThanMs;
  const cached = async (part: string) =>
    (await entries(join(cacheDirectory, part))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const [models, files] = [await cached("models"), await cached("datasets")];
  const known = new Set((await datasets.list()).map(({ digest }) => digest));
  for (const model of await versions.models()) {
    for (const version of await versions.list(model)) known.add(version.files[MANIFEST_FILE]!.sha256);
  }
  const paths = [...models.map((name) => join("models", name)), ...files.map((name) => join("datasets", name))];
  for (const path of paths.filter((cachedPath) => !known.has(basename(cachedPath)))) {
    const made = (await stat(join(cacheDirectory, path)).catch(() => undefined))?.mtimeMs;
    if (made !== undefined && made < before) await rm(join(cacheDirectory, path), { recursive: true, force: true });
  }
}

async function removePartial(path: string, before: number): Promise<void> {
  if (!path.endsWith(".partial")) return;
  const files = await entries(path);
  for (const file of [path, ...files.map((name) => join(path, name))]) {
    const written = (await stat(file).catch(() => undefined))?.mtimeMs;
    if (written !== undefined && written >= before) return;
  }
  await rm(path, { recursive: true, force: true });
}

/** Names in a directory; none for what is no directory. */
async function entries(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
