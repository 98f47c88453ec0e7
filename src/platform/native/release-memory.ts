import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadKoffi } from "./koffi.ts";

// Memory that this process holds and does not need: garbage that nobody collected, for want of calls that make more of it, and what
// the C library keeps of what was freed, in pieces between others in use.

/** The C library of most Linux systems, as the dynamic linker knows it. */
const GLIBC = "libc.so.6";
/** Until buffers of collected objects are freed, which happens on other threads. */
const SWEEP_MS = 1000;

/**
 * Collects garbage, and gives free pages back to the system. The collection holds the main thread as long as any full one; the rest
 * happens on a thread of its own, but who allocates meanwhile may wait for some tens of milliseconds.
 *
 * @returns milliseconds of work
 */
export type ReleaseMemory = () => Promise<number>;

/** By V8 and by `malloc_trim` of glibc; undefined on a system without it, or without the optional package koffi. */
export async function openRelease(): Promise<ReleaseMemory | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const trim = (await loadKoffi()).load(GLIBC).func("int malloc_trim(size_t pad)");
    const trimElsewhere = promisify<number, number>(trim.async);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void; // contexts that are made from now on have it
    setFlagsFromString("--no-expose-gc");
    return async () => {
      const startedAt = performance.now();
      collect();
      const collected = performance.now();
      await wait(SWEEP_MS, undefined, { ref: false });
      const sweptAt = performance.now();
      await trimElsewhere(0);
      return collected - startedAt + (performance.now() - sweptAt);
    };
  } catch {
    return undefined;
  }
}
