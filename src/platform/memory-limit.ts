import { freemem, totalmem } from "node:os";
import { controllerFolders, type ReadText, readText, unifiedGroupFiles } from "./control-groups.ts";

// How much memory the process may use, and how much is left, by the machine and the limits of its cgroups.

/** Version 1 says "no limit" with a number near 2^63. */
const NO_LIMIT = 2 ** 60;

/** Bytes that this process and its neighbours in its tightest cgroup may have together. */
export function memoryLimitBytes(read: ReadText = readText, machineBytes: number = totalmem()): number {
  return Math.min(machineBytes, ...groupsOf(read).map(({ limit }) => limit));
}

/**
 * Bytes that can still be had: what the machine has free, and for each cgroup what its limit leaves beyond what is used now.
 * Pages of files that are not in active use count as free, since the system gives them up.
 */
export function availableMemoryBytes(read: ReadText = readText, freeBytes: number = freemem()): number {
  return Math.max(0, Math.min(freeBytes, ...groupsOf(read).map(({ limit, used }) => limit - used)));
}

interface MemoryGroup {
  readonly limit: number;
  readonly used: number;
}

function groupsOf(read: ReadText): MemoryGroup[] {
  const limits = unifiedGroupFiles(read, "memory.max");
  const groups = limits !== undefined && limits.length > 0 ? unifiedGroups(read) : controllerGroups(read);
  return groups.filter(({ limit }) => limit > 0 && limit < NO_LIMIT);
}

/** The files of one group stand at the same place of each list, as every group with a limit has all of them. */
function unifiedGroups(read: ReadText): MemoryGroup[] {
  const limits = unifiedGroupFiles(read, "memory.max") ?? [];
  const used = unifiedGroupFiles(read, "memory.current") ?? [];
  const statistics = unifiedGroupFiles(read, "memory.stat") ?? [];
  return limits.map((limit, i) => ({
    limit: Number(limit), // "max" is no number, and passed over
    used: usedBytes(used[i], statistics[i], "inactive_file"),
  }));
}

function controllerGroups(read: ReadText): MemoryGroup[] {
  return controllerFolders(read, "memory").map((folder) => ({
    limit: Number(read(`${folder}/memory.limit_in_bytes`) ?? Number.NaN),
    used: usedBytes(read(`${folder}/memory.usage_in_bytes`), read(`${folder}/memory.stat`), "total_inactive_file"),
  }));
}

function usedBytes(used: string | undefined, statistics: string | undefined, inactive: string): number {
  const cached = Number(new RegExp(`^${inactive} (\\d+)$`, "m").exec(statistics ?? "")?.[1] ?? 0);
  return Math.max(0, (Number(used ?? 0) || 0) - cached);
}
