import { performance } from "node:perf_hooks";
import { openRelease, type ReleaseMemory } from "../platform/native/release-memory.ts";
import { everyUnreferenced } from "../platform/waiting/clock.ts";
import type { ServerLog } from "./log.ts";

// Gives memory back to the system when a peak has passed: it would be used again before more is taken, but until then nobody else on
// the machine has it.

const LOOK_MS = 20_000;
/** So much above what it last came down to is worth the work, and so large a share of that. */
const LEAST_BYTES = 64 * 2 ** 20;
const LEAST_SHARE = 1 / 8;
/** Memory that grows by more than this between two looks is still on its way up. */
const GROWTH_BYTES = 16 * 2 ** 20;
/** At most one part in so many of the time is spent: a server whose load takes the memory again at once does not go on giving it back. */
const REST = 500;

/** What is looked at, and how often; by default this process. */
export interface ResidentMemory {
  /** Bytes that the process holds in RAM. */
  readonly resident: () => number;
  readonly openRelease: () => Promise<ReleaseMemory | undefined>;
  /** Milliseconds; never goes back. */
  readonly now: () => number;
  readonly every: (milliseconds: number, look: () => void) => () => void;
}

const THIS_PROCESS: ResidentMemory = {
  resident: () => process.memoryUsage.rss(),
  openRelease,
  now: () => performance.now(),
  every: everyUnreferenced,
};

/**
 * Looks every twenty seconds whether resident memory stands an eighth, and 64 MiB at least, above the lowest since it was last given
 * back, and grows no more; then collects garbage and gives free memory back. Does nothing where the system's C library cannot.
 *
 * @returns a function that ends the looks
 */
export function returnMemory(
  log: Pick<ServerLog, "debug">,
  { resident, openRelease, now, every }: ResidentMemory = THIS_PROCESS,
): () => void {
  let release: ReleaseMemory | undefined;
  let lowest = 0;
  let before = 0;
  let next = 0;
  const look = async () => {
    const bytes = resident();
    const grows = bytes > before + GROWTH_BYTES;
    [lowest, before] = [Math.min(lowest, bytes), bytes];
    const worthIt = bytes >= lowest + Math.max(LEAST_BYTES, LEAST_SHARE * lowest);
    if (grows || !worthIt || now() < next) return;
    next = Number.POSITIVE_INFINITY; // until this has ended, and for good where it cannot begin
    release ??= await openRelease(); // not before there is something to give back
    if (release === undefined) return;
    const milliseconds = Math.round(await release());
    next = now() + REST * milliseconds;
    lowest = before = resident();
    log.debug({ from_bytes: bytes, to_bytes: lowest, milliseconds }, "gave free memory back to the system");
  };
  return every(LOOK_MS, () => void look());
}
