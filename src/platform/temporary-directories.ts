import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { AlbertError } from "../errors.ts";
import { isAlive } from "./process-identity.ts";

// Temporary directories that carry the number of their process, so that those of killed processes can be removed.

/** Processes of other hosts, whose numbers mean nothing here, may share a directory for temporary files. */
const HOST = hostname().replace(/[^A-Za-z0-9]+/g, "-");

/** When this process began, by the clock that files are dated with; asked once, because that clock may be set later. */
const BEGAN = Date.now() - process.uptime() * 1000;

/**
 * Makes a directory for temporary files whose name says which process it belongs to.
 *
 * @param purpose  a word, such as "session"
 * @param parent   where it is made; default: the system's directory for temporary files
 * @throws AlbertError precondition (TEMPORARY_DIRECTORY_UNUSABLE) with the directory and what to do
 */
export async function makeTemporaryDirectory(purpose: string, parent: string = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, `albert-${purpose}-${HOST}-${process.pid}-`)).catch((cause: unknown) => {
    throw unusable(parent, cause);
  });
}

/**
 * Removes the temporary directories that processes of this host left behind when they were killed.
 *
 * @returns names of what was removed
 */
export async function sweepTemporaryDirectories(parent: string = tmpdir()): Promise<string[]> {
  const removed: string[] = [];
  const names = await readdir(parent).catch((cause: unknown) => {
    throw unusable(parent, cause);
  });
  for (const name of names) {
    const [, host, pid] = /^albert-[a-z]+-(.*)-(\d+)-[A-Za-z0-9]{6}$/.exec(name) ?? [];
    if (host !== HOST || !(await isAbandoned(join(parent, name), Number(pid)))) continue;
    await rm(join(parent, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

function unusable(parent: string, cause: unknown): AlbertError {
  const { code = "unknown error" } = cause as NodeJS.ErrnoException;
  const advice = "name one that exists and can be written with TMPDIR, or free some space in it";
  return new AlbertError("precondition", `temporary files cannot be kept in ${parent} (${code}): ${advice}`, {
    reason: "TEMPORARY_DIRECTORY_UNUSABLE",
    metadata: { code },
    cause,
  });
}

/** A process is gone when no process has its number, or when this process, which began later, has it. */
async function isAbandoned(path: string, pid: number): Promise<boolean> {
  if (pid !== process.pid) return !isAlive(pid);
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && info.birthtimeMs < BEGAN;
}
