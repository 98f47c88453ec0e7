import { parentPort, workerData } from "node:worker_threads";
import type { ThreadInput } from "../../../src/platform/threads/hosted-thread.ts";

// A module that does to its thread or its process what a test asks.

const { request, flags } = workerData as ThreadInput<string>;
const post = (message: unknown) => parentPort?.postMessage(message);

switch (request) {
  case "echo":
    parentPort?.once("message", (message) => post({ message, pid: process.pid, numbers: new Float32Array([1, 2.5]) }));
    break;
  case "flag":
    post("waiting");
    Atomics.wait(flags, 1, 0); // reads no message meanwhile
    post(Atomics.load(flags, 1));
    break;
  case "heap": {
    const kept: unknown[] = [];
    for (;;) kept.push({ some: [kept.length] });
  }
  case "buffers":
    for (const kept: Buffer[] = []; ; ) {
      kept.push(Buffer.alloc(32 << 20, 1));
      Atomics.wait(flags, 0, 0, 20);
    }
  case "throw":
    throw new TypeError("thrown on purpose");
  case "abort":
    process.kill(process.pid, "SIGABRT"); // as V8 does when one of its checks fails
    break;
  case "forever":
    post(process.pid);
    Atomics.wait(flags, 0, 0);
}
