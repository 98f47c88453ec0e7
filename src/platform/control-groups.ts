import { readFileSync } from "node:fs";

// Files of the control groups (cgroups) that this process runs in: the limits of a container.

/** Reads a small text file, or returns undefined when it does not exist. */
export type ReadText = (path: string) => string | undefined;

/**
 * The contents of a file in this process's group of version 2 and in every group above it.
 *
 * @param file  such as `cpu.max`
 * @returns undefined where the process is in no group of version 2
 */
export function unifiedGroupFiles(read: ReadText, file: string): string[] | undefined {
  const own = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup") ?? "")?.[1];
  if (own === undefined) return undefined;
  return ancestors(own).flatMap((group) => read(`/sys/fs/cgroup${group}/${file}`) ?? []);
}

/** Folders of this process's group of version 1 under a controller, such as `memory`, and of those above it. */
export function controllerFolders(read: ReadText, controller: string): string[] {
  const pattern = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(/.*)$`, "m");
  const own = pattern.exec(read("/proc/self/cgroup") ?? "")?.[1] ?? "/";
  return ancestors(own).map((group) => `/sys/fs/cgroup/${controller}${group}`);
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
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
