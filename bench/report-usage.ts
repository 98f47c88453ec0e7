import { monitorEventLoopDelay, performance } from "node:perf_hooks";

// How a server in a process of its own tells the bench that started it where it listens and what it used.

/** What a server used since it was last asked. */
export interface ServerUsage {
  /** Seconds of processor time of the whole process, and of its main thread by the share it was busy. */
  readonly cpuSeconds: number;
  readonly mainThreadSeconds: number;
  /** Longest time the event loop was late, in milliseconds. */
  readonly largestGapMs: number;
}

/** Sampling interval of the event loop's timeliness: what is measured beyond it is lateness. */
const RESOLUTION_MS = 1;

/** Sends the bench the address, then, for each of its messages, what was used since the last one; ends with the bench. */
export function reportUsage(address: string): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let cpu = process.cpuUsage();
  let utilization = performance.eventLoopUtilization();
  process.on("message", () => {
    const used = process.cpuUsage(cpu);
    const busy = performance.eventLoopUtilization(utilization);
    const usage: ServerUsage = {
      cpuSeconds: (used.user + used.system) / 1e6,
      mainThreadSeconds: busy.active / 1000,
      largestGapMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
    };
    delay.reset();
    cpu = process.cpuUsage();
    utilization = performance.eventLoopUtilization();
    process.send!(usage);
  });
  // A server must not outlive who measures it.
  process.on("disconnect", () => process.exit());
  process.send!(address);
}
