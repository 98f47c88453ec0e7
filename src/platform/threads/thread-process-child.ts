import { writeFileSync } from "node:fs";
import { type HostedThread, inThread, type ThreadEnd } from "./hosted-thread.ts";
import { plainError } from "./plain-error.ts";
import type { FromChild, ProcessLimit, ToChild } from "./thread-process.ts";

// The entry point of a child process that `thread-process.ts` starts: it runs one module on a thread, passes messages on, watches
// its own memory, and ends when its parent does. Its main thread computes nothing, so it always hears.

/** Between two looks at the memory in use. */
const LOOK_MS = 100;

let thread: HostedThread | undefined;
let ending = false;

process.on("message", (message: ToChild) => {
  switch (message.kind) {
    case "start":
      begin(message);
      return;
    case "post":
      thread?.post(message.message);
      return;
    case "flag":
      thread?.setFlag(message.index, message.value);
  }
});
process.on("disconnect", () => process.exit(1)); // no one waits for the result
// A terminal and some containers signal the whole group; the parent decides when its children end.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
yieldToMemoryKiller();

function begin({ entry, caller, request, flags, limit }: Extract<ToChild, { kind: "start" }>): void {
  thread = inThread(limit)({
    entry: new URL(entry),
    caller,
    request,
    flags,
    onMessage: (message) => send({ kind: "message", message }),
  });
  void thread.ended.then(end);
  watchMemory(limit);
}

function watchMemory({ memoryBytes }: ProcessLimit): void {
  setInterval(() => {
    const used = process.memoryUsage.rss();
    if (used <= memoryBytes) return;
    const message = `its process used ${megabytes(used)} MB of memory and may use ${megabytes(memoryBytes)} (jobs.memory_bytes)`;
    end({ kind: "out-of-memory", message });
  }, LOOK_MS).unref();
}

function end(how: ThreadEnd): void {
  if (ending) return;
  ending = true;
  send(how.kind === "crashed" ? { kind: "crashed", error: plainError(how.error) } : { kind: "end", end: how }, () =>
    process.exit(0),
  );
}

function send(message: FromChild, sent: () => void = () => {}): void {
  process.send?.(message, undefined, undefined, sent);
}

/** Lets the system's memory killer take this process before the one that serves (Linux). */
function yieldToMemoryKiller(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "1000");
  } catch {
    // another system, or not allowed: the killer chooses by size
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
