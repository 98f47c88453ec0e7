import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AlbertError, invalidInput } from "../errors.ts";
import { makeDirectory, syncDirectory } from "./directories.ts";

// Files and directories that appear whole or not at all, also after a loss of power.

/** Writes a new file and flushes it to the disk. @throws when it exists */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a small file so that a reader, and the disk after a power cut, holds either the old content or the new. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.writing`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/**
 * Makes a whole directory appear at once: `fill` writes into a hidden sibling, which is then flushed and renamed. After a
 * crash at any instant the directory is either complete or absent.
 *
 * @throws AlbertError already-exists when something other than an empty directory lies at `path`; invalid-input for no path
 */
export async function createDirectoryAtomically(
  named: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  if (named === "")
    throw invalidInput([{ field: "output", description: "expected the path of a directory, got nothing" }]);
  const path = resolve(named); // "." has no name of its own
  // Told before the work, and for mount points, over which nothing can be renamed.
  if ((await readdir(path).catch(() => [])).length > 0) throw directoryExists(path);
  const parent = dirname(path);
  await makeDirectory(parent);
  const temporary = join(parent, `.${basename(path)}.${randomBytes(6).toString("hex")}.partial`);
  await mkdir(temporary);
  try {
    await fill(temporary);
    await syncDirectory(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR") {
      throw directoryExists(path, error);
    }
    throw error;
  }
  await syncDirectory(parent);
}

function directoryExists(path: string, cause?: unknown): AlbertError {
  const message = `${basename(path)} exists and is not an empty directory`;
  return new AlbertError("already-exists", message, { reason: "DIRECTORY_EXISTS", cause });
}
