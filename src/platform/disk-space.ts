import { statfs } from "node:fs/promises";

// How much room a disk has, and which errors say that it takes no more.

/** Bytes of the disk of a directory that this process may still use. */
export async function freeDiskBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Whether the operating system refused a write because the disk, or this user's share of it, is full. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Whether the disk failed to give back what lies on it. */
export function isUnreadable(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null | undefined)?.code === "EIO";
}

/** Whether the operating system failed at something whatever that was, so that nothing is known of a file's presence or contents. */
export function isSystemFault(error: unknown): boolean {
  const { code = "" } = (error ?? {}) as NodeJS.ErrnoException;
  return isUnwritable(error) || isUnreadable(error) || code === "EMFILE" || code === "ENFILE";
}

/** Whether the operating system refused a write because of the disk, which is full or read-only, and not because of what was written. */
export function isUnwritable(error: unknown): boolean {
  return isDiskFull(error) || (error as NodeJS.ErrnoException | null | undefined)?.code === "EROFS";
}
