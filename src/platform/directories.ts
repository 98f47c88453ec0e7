import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isSystemFault } from "./disk-space.ts";

// Creates directories where they are missing.

/**
 * Makes a directory and its missing parents. Node's own recursive form never returns where the system
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
}

async function isDirectory(path: string): Promise<boolean> {
  const info = await stat(path).catch((error: unknown) => {
    if (isSystemFault(error)) throw error;
    return undefined;
  });
  return info?.isDirectory() === true;
}
