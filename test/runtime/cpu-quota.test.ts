import { describe, expect, it } from "vitest";
import { availableThreads } from "../../src/runtime/cpu-quota.ts";

const files = (contents: Record<string, string>) => (path: string) => contents[path];

describe("threads that can be kept busy", () => {
  it.each<[string, Record<string, string>, number, number]>([
    ["no cgroup", {}, 8, 8],
    ["version 2, no limit", { "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": "max 100000\n" }, 8, 8],
    [
      "version 2, half a processor",
      { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000\n" },
      8,
      1,
    ],
    [
      "version 2, two and a half",
      { "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max": "250000 100000" },
      8,
      3,
    ],
    [
      "version 2, tighter above",
      {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/cpu.max": "800000 100000",
        "/sys/fs/cgroup/a/cpu.max": "200000 100000",
      },
      16,
      2,
    ],
    [
      "version 1",
      {
        "/proc/self/cgroup": "11:memory:/x\n4:cpu,cpuacct:/docker/abc\n",
        "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "400000",
        "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000",
      },
      8,
      4,
    ],
    [
      "version 1 as a container sees it, unlimited",
      {
        "/proc/self/cgroup": "4:cpu:/docker/abc\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      },
      8,
      8,
    ],
    ["fewer processors than quota", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "900000 100000" }, 2, 2],
    ["nonsense", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "a b" }, 2, 2],
  ])("%s", (_, contents, processors, expected) => {
    expect(availableThreads(files(contents), processors)).toBe(expected);
  });

  it("are at least one and at most the processors of this machine", () => {
    expect(availableThreads()).toBeGreaterThanOrEqual(1);
  });
});
