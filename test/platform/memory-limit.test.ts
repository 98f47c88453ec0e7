import { describe, expect, it } from "vitest";
import { availableMemoryBytes, memoryLimitBytes } from "../../src/platform/memory-limit.ts";

const files = (contents: Record<string, string>) => (path: string) => contents[path];
const MIB = 2 ** 20;

const V2 = {
  "/proc/self/cgroup": "0::/pod/main\n",
  "/sys/fs/cgroup/pod/main/memory.max": "max\n",
  "/sys/fs/cgroup/pod/main/memory.current": `${100 * MIB}\n`,
  "/sys/fs/cgroup/pod/main/memory.stat": `anon 1\ninactive_file ${10 * MIB}\n`,
  "/sys/fs/cgroup/pod/memory.max": `${400 * MIB}\n`,
  "/sys/fs/cgroup/pod/memory.current": `${300 * MIB}\n`,
  "/sys/fs/cgroup/pod/memory.stat": `anon 1\ninactive_file ${50 * MIB}\n`,
  "/sys/fs/cgroup/memory.stat": "inactive_file 0\n",
};
const V1 = {
  "/proc/self/cgroup": "9:cpu:/x\n4:memory:/docker/abc\n",
  "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": String(256 * MIB),
  "/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": String(200 * MIB),
  "/sys/fs/cgroup/memory/docker/abc/memory.stat": `cache 5\ntotal_inactive_file ${20 * MIB}\n`,
  "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
};

describe("memory", () => {
  it.each<[string, Record<string, string>, number, number]>([
    ["of a machine without groups", {}, 1000, 700],
    ["of a group of version 2, by the tightest above it", V2, 400, 150],
    ["of a group of version 1", V1, 256, 76],
    ["of a group without a limit", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n" }, 1000, 700],
    [
      "of a group that is over its limit",
      { ...V1, "/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "1e12" },
      256,
      0,
    ],
  ])("%s", (_, contents, limit, available) => {
    expect(memoryLimitBytes(files(contents), 1000 * MIB) / MIB).toBe(limit);
    expect(availableMemoryBytes(files(contents), 700 * MIB) / MIB).toBe(available);
  });
});
