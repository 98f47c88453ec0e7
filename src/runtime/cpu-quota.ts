import { availableParallelism } from "node:os";
import { controllerFolders, type ReadText, readText, unifiedGroupFiles } from "../platform/control-groups.ts";

// How many threads the process can keep busy.

/**
 * How many threads this process can really keep busy: the processors it may run on, cut by the time quota of its cgroup
 * (version 2, else version 1). A container with half a processor still gets one thread.
 */
export function availableThreads(read: ReadText = readText, processors: number = availableParallelism()): number {
  const quota = quotaV2(read) ?? quotaV1(read);
  return Math.max(1, Math.min(processors, quota === undefined ? processors : Math.ceil(quota)));
}

/** `cpu.max` of this process's cgroup and of every one above it: "<quota> <period>" in microseconds, or "max <period>". */
function quotaV2(read: ReadText): number | undefined {
  const quotas = (unifiedGroupFiles(read, "cpu.max") ?? []).flatMap((text) => {
    const [quota, period] = text.trim().split(/\s+/).map(Number);
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? [quota / period] : [];
  });
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** `cpu.cfs_quota_us` over `cpu.cfs_period_us`; -1 means no limit. */
function quotaV1(read: ReadText): number | undefined {
  const quotas = controllerFolders(read, "cpu").flatMap((folder) => {
    const quota = Number(read(`${folder}/cpu.cfs_quota_us`) ?? Number.NaN);
    const period = Number(read(`${folder}/cpu.cfs_period_us`) ?? Number.NaN);
    return quota > 0 && period > 0 ? [quota / period] : [];
  });
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}
