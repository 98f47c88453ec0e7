// Loaded into a server (`--import`): from one SIGUSR2 to the next, measures the longest turn of the main thread's event loop in
// processor time, which other programs of the machine do not change, and writes it, in milliseconds, to the file that the
// environment names.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";

const CLOCK_THREAD_CPUTIME_ID = 3;

if (isMainThread) {
  const koffi = createRequire(import.meta.url)("koffi");
  koffi.struct("timespec", { seconds: "long", nanoseconds: "long" });
  const read = koffi.load("libc.so.6").func("int clock_gettime(int clock, _Out_ timespec *time)");
  const now = () => {
    const time = {};
    read(CLOCK_THREAD_CPUTIME_ID, time);
    return time.seconds * 1e3 + time.nanoseconds / 1e6;
  };
  let began = 0;
  let longest = 0;
  let next;
  const turn = () => {
    longest = Math.max(longest, now() - began);
    began = now();
    next = setImmediate(turn);
  };
  process.on("SIGUSR2", () => {
    if (next === undefined) {
      longest = 0;
      began = now();
      next = setImmediate(turn);
    } else {
      clearImmediate(next);
      next = undefined;
    }
    writeFileSync(process.env.LONGEST_TURN_FILE, String(longest));
  });
}
