import { readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { devNull } from "node:os";

// How many files and connections this process has open, and how many it may have.

/** Every open file of this process is an entry here, on Linux. */
const OPEN_FILES = "/proc/self/fd";
const LIMITS = "/proc/self/limits";

/** Open files and connections; 0 where the system does not tell, and the limit where not even this can be looked up for want of one. */
export function openFiles(): number {
  try {
    return readdirSync(OPEN_FILES).length;
  } catch (error) {
    return isLackOfDescriptors(error) ? openFileLimit() : 0;
  }
}

let limit: number | undefined;

/** Most open files and connections that this process may have, as it was when this was first asked; 0 where the system does not tell. */
export function openFileLimit(): number {
  limit ??= readLimit();
  return limit;
}

/** Whether another file or connection could be opened now. */
export async function canOpenFile(): Promise<boolean> {
  try {
    await (await open(devNull)).close();
    return true;
  } catch (error) {
    return !isLackOfDescriptors(error);
  }
}

function isLackOfDescriptors(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}

function readLimit(): number {
  try {
    const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(readFileSync(LIMITS, "utf8")) ?? [];
    return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft ?? 0);
  } catch {
    return 0;
  }
}
