import { lstat, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AlbertError } from "../errors.ts";
import { makeDirectory } from "../platform/directories.ts";

// The local cache of a store that is not a directory of this machine.

const NAME = /^albert-store-[0-9a-f]{16}$/;
/** A cache that was unused for this long belongs to a store that this machine no longer uses. */
const UNUSED_MS = 7 * 86_400_000;

/**
 * The local cache of a store that lies elsewhere, in the directory for temporary files: the same for every server of this user that opens the
 * store, and still there after a restart. Caches of other stores that no server has used for a week are removed.
 *
 * @param name    16 hex digits that tell the store from others
 * @param parent  where caches lie; default: the system's directory for temporary files
 * @throws AlbertError forbidden (CACHE_FORBIDDEN) when another user has made it
 */
export async function openTemporaryCache(name: string, parent: string = tmpdir()): Promise<string> {
  const path = join(parent, `albert-store-${name}`);
  await makeDirectory(path, 0o700);
  if (!(await isOurs(path))) {
    // Every user may write there; what is opened from it must belong to this user.
    const advice = "remove it, or set store.cache_directory";
    throw new AlbertError("forbidden", `the store's cache ${path} belongs to another user: ${advice}`, {
      reason: "CACHE_FORBIDDEN",
    });
  }
  await markUsed(path);
  const before = Date.now() - UNUSED_MS;
  for (const other of await readdir(parent)) {
    const place = join(parent, other);
    if (!NAME.test(other) || !(await isOurs(place))) continue;
    const used = (await lstat(place).catch(() => undefined))?.mtimeMs;
    if (used !== undefined && used < before) await rm(place, { recursive: true, force: true });
  }
  return path;
}

/** Notes that a cache is in use. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => {}); // another process may be deleting the cache, which makes no difference
}

async function isOurs(path: string): Promise<boolean> {
  const info = await lstat(path).catch(() => undefined);
  return info?.isDirectory() === true && (process.getuid === undefined || info.uid === process.getuid());
}
