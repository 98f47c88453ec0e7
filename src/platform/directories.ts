import { mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isSystemFault } from "./disk-space.ts";

// Creates directories where they are missing, so that they survive a loss of power.

/**
 * Makes a directory and its missing parents, and flushes their names. Node's own recursive form never returns where the system
 * answers ENOENT below a directory that exists, as /proc does.
 *
 * @param mode  permissions of those that are made
 * @throws NodeJS.ErrnoException as `mkdir`, with the path that could not be made
 */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
  const absolute = resolve(path);
  try {
    await mkdir(absolute, mode);
  } catch (error) {
    if (await isDirectory(absolute)) return;
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(absolute);
    if (code !== "ENOENT" || parent === absolute || (await isDirectory(parent))) throw error;
    await makeDirectory(parent, mode);
    await mkdir(absolute, mode).catch(async (second: unknown) => {
      if (!(await isDirectory(absolute))) throw second;
    });
  }
  await syncDirectory(dirname(absolute)).catch((error: NodeJS.ErrnoException) => {
    // Whoever may write in a directory and not read it cannot flush it.
    if (error.code !== "EACCES" && error.code !== "EPERM") throw error;
  });
}

/** Flushes a directory's own entries, so that files created or renamed in it survive a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const info = await stat(path).catch((error: unknown) => {
    if (isSystemFault(error)) throw error;
    return undefined;
  });
  return info?.isDirectory() === true;
}
