import { randomUUID } from "node:crypto";
import { link, rename, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { AlbertError } from "../errors.ts";

/** What is done under such a lock takes milliseconds: one that stays for so long was left by a process that was killed. */
const STALE_MS = 10_000;
const WAIT_MS = 20_000;
const LOOK_EVERY_MS = 20;

/**
 * Does a short piece of work on a file while no other process that asks in the same way does: reading it, changing it and
 * writing it back. The lock is a file `<path>.lock`.
 *
 * @throws AlbertError conflict (FILE_LOCKED) when others held it all the time; what the work throws
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const giveUpAt = performance.now() + WAIT_MS;
  let seen: Seen | undefined;
  while (!(await take(lock))) {
    if (performance.now() > giveUpAt) {
      throw new AlbertError("conflict", `${lock} is held by others: try again`, { reason: "FILE_LOCKED" });
    }
    seen = await look(lock, seen);
    if (seen !== undefined && performance.now() - seen.sinceMs > STALE_MS) await breakStale(lock, seen);
    await delay(LOOK_EVERY_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, `${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** One and the same lock, and since when it has been seen on this process's steady clock: the clock of the day may jump. */
interface Seen {
  readonly ino: number;
  readonly mtimeMs: number;
  readonly sinceMs: number;
}

async function look(lock: string, before: Seen | undefined): Promise<Seen | undefined> {
  const found = await stat(lock).catch(() => undefined);
  if (found === undefined) return undefined;
  const { ino, mtimeMs } = found;
  return before?.ino === ino && before.mtimeMs === mtimeMs ? before : { ino, mtimeMs, sinceMs: performance.now() };
}

/** Of several that see one stale lock, one moves it away. Whoever moved a newer one by that puts it back. */
async function breakStale(lock: string, seen: Seen): Promise<void> {
  const aside = `${lock}.${randomUUID()}`;
  try {
    await rename(lock, aside);
    if ((await stat(aside)).ino !== seen.ino) await link(aside, lock);
  } catch {
    // Another was first.
  } finally {
    await rm(aside, { force: true });
  }
}
