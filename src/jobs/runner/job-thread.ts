import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../errors.ts";
import type { ThreadInput } from "../../platform/threads/hosted-thread.ts";
import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import type { JobHooks } from "../job-runner.ts";
import { planJob, runJob } from "./run-job.ts";
import { FLAGS, type ThreadMessage, type ThreadTask } from "./thread-messages.ts";
import { yieldWhileAsked } from "./yield-while-asked.ts";

// The entry point of a job's thread. Training computes synchronously here, so that the server's own thread never waits.

invariant(parentPort !== null, "this module runs on a worker thread");
const port = parentPort;
const { request, flags } = workerData as ThreadInput<ThreadTask>; // what `ThreadJobRunner` started this thread with
const { resolved, mode, background } = request;
const send = (message: ThreadMessage) => port.postMessage(message);

if (background) lowerThreadPriority(); // before ONNX Runtime starts threads, which inherit it

const stopping = new AbortController();
const hooks: JobHooks = {
  // Both are known before the thread starts.
  startChosen: async () => {},
  teacherChosen: async () => {},
  phase: (phase) => send({ kind: "phase", phase }),
  activity: (text) => send({ kind: "activity", text }),
  planned: (plan) => send({ kind: "planned", plan }),
  event: (event) => send({ kind: "event", event }),
  yielded: (milliseconds) => send({ kind: "yielded", milliseconds }),
};

/** Between two looks at whether work without steps is to stop. */
const STOP_LOOK_MS = 100;

function beforeStep(): void {
  const milliseconds = yieldWhileAsked(flags);
  if (milliseconds > 0) hooks.yielded(milliseconds);
  if (Atomics.load(flags, FLAGS.stop) === 1) stopping.abort();
}

// Work without steps waits for files and other programs, not for `beforeStep`.
setInterval(() => {
  if (Atomics.load(flags, FLAGS.stop) === 1) stopping.abort();
}, STOP_LOOK_MS).unref();

if (mode === "plan") send({ kind: "plan", plan: await planJob(resolved) });
else send({ kind: "outcome", outcome: await runJob(resolved, { hooks, signal: stopping.signal, beforeStep }) });
