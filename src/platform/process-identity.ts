import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

// Tells one process from another, also across containers and after a reuse of its number.

/** Field 22 of `/proc/<pid>/stat`, counted from the field after the name: see proc_pid_stat(5). */
const START_FIELD = 19;

/**
 * Names the table in which process numbers mean what they mean here: on Linux one boot of one kernel and, for containers,
 * one namespace of processes; elsewhere the host.
 */
export function processTable(): string {
  const boot = bootId();
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"));
  return boot === undefined || namespace === undefined ? hostname() : `${boot} ${namespace}`;
}

/** One boot of the kernel that this process runs on, the same in every container; undefined where the system does not tell. */
export function bootId(): string | undefined {
  return attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
}

/** Whether a process of this table runs. One that was killed and that its parent has not asked about yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false; // otherwise it belongs to another user
  }
  return !/^[ZX]/.test(statOf(pid)?.[0] ?? "");
}

/**
 * When a process of this table began, in ticks of its kernel: with the number it tells the process from every later one
 * that gets the same number. Undefined where there is no `/proc`.
 */
export function startOf(pid: number): string | undefined {
  return statOf(pid)?.[START_FIELD];
}

/** The fields of `/proc/<pid>/stat` behind the name, which may hold spaces and brackets itself. */
function statOf(pid: number): string[] | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // not this system, or not for us to see
  }
}
