import { AlbertError } from "../../errors.ts";
import { freeDiskBytes } from "../../platform/disk-space.ts";
import { availableMemoryBytes } from "../../platform/memory-limit.ts";

// Refuses work for which the disk or the memory does not suffice.

/** What a job takes while it works. */
export interface ResourceNeeds {
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/**
 * Refuses work that could not end for want of disk or memory.
 *
 * @param directory  where it needs the disk
 * @param advice     what would make it need less
 * @throws AlbertError precondition: DISK_FULL, OUT_OF_MEMORY
 */
export async function requireResources(
  directory: string,
  { memoryBytes, diskBytes }: ResourceNeeds,
  advice: { readonly memory: string; readonly disk: string },
): Promise<void> {
  const freeBytes = await freeDiskBytes(directory);
  if (freeBytes < diskBytes) {
    const message = `the job needs about ${megabytes(diskBytes)} of disk and ${megabytes(freeBytes)} are free: ${advice.disk}`;
    throw new AlbertError("precondition", message, { reason: "DISK_FULL" });
  }
  const availableBytes = availableMemoryBytes();
  if (availableBytes < memoryBytes) {
    const message = `the job needs about ${megabytes(memoryBytes)} of memory and ${megabytes(availableBytes)} are free: ${advice.memory}`;
    throw new AlbertError("precondition", message, { reason: "OUT_OF_MEMORY" });
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
