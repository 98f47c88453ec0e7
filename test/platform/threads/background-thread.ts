import { readFileSync } from "node:fs";
import { lowerThreadPriority } from "../../../src/platform/threads/thread-priority.ts";
import { answerCall, callThread } from "../../../src/platform/threads/worker-rpc.ts";

/** Tells the niceness of a thread that went to the background, and of one that it started afterwards. */
await answerCall<string, number | { own: number; child: number }>(async (role) => {
  const own = () => Number(readFileSync("/proc/thread-self/stat", "utf8").split(") ").at(-1)!.split(" ")[16]);
  if (role === "child") return own();
  lowerThreadPriority();
  const child = await callThread<string, number>(
    new URL("./background-thread", import.meta.url),
    import.meta.url,
    "child",
  );
  return { own: own(), child };
});
