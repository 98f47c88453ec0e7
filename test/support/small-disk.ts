import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk that can be filled. */
export interface SmallDisk {
  readonly directory: string;
  /** Fills it to its last byte. @returns a function that makes room again */
  fill(): () => void;
  /** Mounts it anew with other options, such as "ro". */
  remount(options: string): void;
  remove(): void;
}

/** Mounts a small disk in memory. @returns undefined where this user may not, or the system cannot */
export function smallDisk(megabytes: number): SmallDisk | undefined {
  const directory = mkdtempSync(join(tmpdir(), "albert-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", directory], { stdio: "ignore" });
  } catch {
    rmSync(directory, { recursive: true });
    return undefined;
  }
  const filling = join(directory, "fill");
  return {
    directory,
    fill() {
      const file = openSync(filling, "a");
      for (const size of [1 << 20, 1 << 12, 1]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        }
      }
      closeSync(file);
      return () => rmSync(filling);
    },
    remount: (options) => void execFileSync("mount", ["-o", `remount,${options}`, directory]),
    remove() {
      execFileSync("umount", ["--lazy", directory]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
