import { parentPort, workerData } from "node:worker_threads";
import type { WorkerReply, WorkerRequest, WorkerTask } from "../../../src/runtime/session/thread-messages.ts";

/**
 * A session worker that can be told to fail: a batch whose input `x` starts with one of these numbers ends or blocks the
 * thread, as a native crash or a hanging driver would, as long as `faultsLeft` allows.
 */
export const FAULTS = { dieBeforeBeginning: -101, dieAfterBeginning: -102, hang: -103 } as const;

export interface FaultyTask extends WorkerTask {
  /** Int32Array of one element, shared by all workers of a test. */
  readonly faultsLeft: SharedArrayBuffer;
}

if (parentPort !== null) {
  const port = parentPort;
  const left = new Int32Array((workerData as FaultyTask).faultsLeft);
  port.on("message", (request: WorkerRequest) => {
    if (request.kind !== "run") return;
    const fault = Number(request.feeds[0]!["x"]!.data[0]);
    if (!Object.values<number>(FAULTS).includes(fault) || Atomics.sub(left, 0, 1) <= 0) return;
    const begun: WorkerReply = { kind: "begun", id: request.id };
    if (fault !== FAULTS.dieBeforeBeginning) port.postMessage(begun);
    if (fault === FAULTS.hang) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    process.exit(134);
  });
  await import("../../../src/runtime/session/session-thread.ts");
}
