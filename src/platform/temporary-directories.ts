import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "./process-identity.ts";

/** Processes of other hosts, whose numbers mean nothing here, may share a directory for temporary files. */
const HOST = hostname().replace(/[^A-Za-z0-9]+/g, "-");

/**
 * Makes a directory for temporary files whose name says which process it belongs to.
 *
 * @param purpose  a word, such as "session"
 * @param parent   where it is made; default: the system's directory for temporary files
 */
export function makeTemporaryDirectory(purpose: string, parent: string = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, `albert-${purpose}-${HOST}-${process.pid}-`));
}

/**
 * Removes the temporary directories that processes of this host left behind when they were killed.
 *
 * @returns names of what was removed
 */
export async function sweepTemporaryDirectories(parent: string = tmpdir()): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parent)) {
    const [, host, pid] = /^albert-[a-z]+-(.*)-(\d+)-[A-Za-z0-9]{6}$/.exec(name) ?? [];
    if (host !== HOST || !(await isAbandoned(join(parent, name), Number(pid)))) continue;
    await rm(join(parent, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

/** A process is gone when its number is nobody's, or is now that of this process, which began later. */
async function isAbandoned(path: string, pid: number): Promise<boolean> {
  if (pid !== process.pid) return !isAlive(pid);
  const began = Date.now() - process.uptime() * 1000;
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && info.birthtimeMs < began;
}
