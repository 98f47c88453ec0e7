import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes from a store's local cache what processes were still fetching when they were killed: everything named
 * `*.partial` that nothing was written to for so long. Younger ones may belong to another process that shares the cache.
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
