import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Reads a small text file, or returns undefined when it does not exist. */
export type ReadText = (path: string) => string | undefined;

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
  const own = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup") ?? "")?.[1];
  if (own === undefined) return undefined;
  const quotas = ancestors(own).flatMap((group) => {
    const [quota, period] = (read(`/sys/fs/cgroup${group}/cpu.max`) ?? "").trim().split(/\s+/).map(Number);
    return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? [quota / period] : [];
  });
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** `cpu.cfs_quota_us` over `cpu.cfs_period_us`; -1 means no limit. */
function quotaV1(read: ReadText): number | undefined {
  const own = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(\/.*)$/m.exec(read("/proc/self/cgroup") ?? "")?.[1] ?? "/";
  const quotas = ancestors(own).flatMap((group) => {
    const quota = Number(read(`/sys/fs/cgroup/cpu${group}/cpu.cfs_quota_us`) ?? Number.NaN);
    const period = Number(read(`/sys/fs/cgroup/cpu${group}/cpu.cfs_period_us`) ?? Number.NaN);
    return quota > 0 && period > 0 ? [quota / period] : [];
  });
  return quotas.length === 0 ? undefined : Math.min(...quotas);
}

/** "/a/b" -> ["/a/b", "/a", ""]. Inside a container the deeper ones may not be visible. */
function ancestors(group: string): string[] {
  const parts = group.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    parts
      .slice(0, parts.length - up)
      .map((it) => `/${it}`)
      .join(""),
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
