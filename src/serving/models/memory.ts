import { AlbertError } from "../../errors.ts";
import { memoryLimitBytes } from "../../platform/memory-limit.ts";

// Whether a version fits into memory. It reads and compares; it frees nothing.

/** Memory of this process and what it may use at most. */
export interface MemoryReading {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** Resident memory against the limit of the container, or of the machine where there is none. */
export function readMemory(): MemoryReading {
  return { usedBytes: process.memoryUsage.rss(), limitBytes: memoryLimitBytes() };
}

/**
 * Whether an engine for weights of this size fits: the session's own copy must leave `headroom` of the limit free. The
 * weights as read from the checkpoint count as used already.
 */
export function fits(weightBytes: number, { usedBytes, limitBytes }: MemoryReading, headroom: number): boolean {
  return usedBytes + weightBytes <= limitBytes * (1 - headroom);
}

/** A version that would not leave enough memory free. */
export function outOfMemory(weightBytes: number, { usedBytes, limitBytes }: MemoryReading): AlbertError {
  const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new AlbertError(
    "precondition",
    `the version needs about ${mib(weightBytes)} more, ${mib(usedBytes)} of ${mib(limitBytes)} are in use; unload another version first`,
    {
      reason: "MEMORY_INSUFFICIENT",
      metadata: {
        needed_bytes: String(weightBytes),
        used_bytes: String(usedBytes),
        limit_bytes: String(limitBytes),
      },
    },
  );
}
