import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { isAlive } from "../../../src/platform/process-identity.ts";
import {
  defaultHeapBytes,
  type HostedThread,
  inThread,
  type ThreadHost,
} from "../../../src/platform/threads/hosted-thread.ts";
import { defaultProcessBytes, inProcess } from "../../../src/platform/threads/thread-process.ts";
import { callThread } from "../../../src/platform/threads/worker-rpc.ts";

const entry = new URL("./hosted-module", import.meta.url);
const HEAP = { heapBytes: 32 << 20 };
const thread = inThread(HEAP);
const child = inProcess({ ...HEAP, memoryBytes: 600e6 });

/** A module at work, with what it posts. */
function start(host: ThreadHost, request: string): { readonly hosted: HostedThread; next(): Promise<unknown> } {
  const posted: unknown[] = [];
  let wake = () => {};
  const onMessage = (message: unknown) => {
    posted.push(message);
    wake();
  };
  const hosted = host({ entry, caller: import.meta.url, request, flags: 2, onMessage });
  return {
    hosted,
    async next() {
      while (posted.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return posted.shift();
    },
  };
}

describe.each([
  ["a thread of this process", thread],
  ["a thread of a child process", child],
])("%s", { timeout: 120_000 }, (_, host) => {
  it("hears messages, sees flags while it waits, and ends by itself", async () => {
    const echo = start(host, "echo");
    echo.hosted.post({ words: ["a", "b"] });
    const heard = await echo.next();
    expect(heard).toMatchObject({ message: { words: ["a", "b"] }, numbers: new Float32Array([1, 2.5]) });
    expect((heard as { pid: number }).pid === process.pid).toBe(host === thread);
    expect(await echo.hosted.ended).toEqual({ kind: "exited", code: 0 });

    const flag = start(host, "flag");
    expect(await flag.next()).toBe("waiting");
    flag.hosted.setFlag(1, 7);
    expect(await flag.next()).toBe(7);
    expect(await flag.hosted.ended).toEqual({ kind: "exited", code: 0 });
  });

  it("ends alone when it reaches its heap limit, and says which setting that is", async () => {
    const { hosted } = start(host, "heap");
    expect(await hosted.ended).toEqual({
      kind: "out-of-memory",
      message: expect.stringMatching(/34 MB of heap.*jobs\.heap_bytes/),
    });
    const call = callThread(entry, import.meta.url, "heap", undefined, host);
    await expect(call).rejects.toMatchObject({ code: "too-large", reason: "WORK_TOO_LARGE" });
  });

  it("tells the error that it did not catch, and ends at once when told to", async () => {
    const { hosted } = start(host, "throw");
    expect(await hosted.ended).toMatchObject({ kind: "crashed", error: { message: "thrown on purpose" } });
    const busy = start(host, "forever");
    const pid = Number(await busy.next());
    busy.hosted.end();
    expect(await busy.hosted.ended).toEqual({ kind: "exited", code: 1 });
    expect(isAlive(pid)).toBe(host === thread);
  });
});

describe("a child process", { timeout: 120_000 }, () => {
  it("is ended when it uses more memory than it may, though little of that is heap", async () => {
    const { hosted } = start(child, "buffers");
    expect(await hosted.ended).toEqual({
      kind: "out-of-memory",
      message: expect.stringMatching(/may use 600 \(jobs\.memory_bytes\)/),
    });
  });

  it("is told apart when something else kills it, from within or without", async () => {
    const aborted = start(child, "abort");
    expect(await aborted.hosted.ended).toMatchObject({ kind: "killed", message: expect.stringContaining("SIGABRT") });
    const busy = start(child, "forever");
    process.kill(Number(await busy.next()), "SIGKILL");
    expect(await busy.hosted.ended).toMatchObject({ kind: "killed", message: expect.stringContaining("SIGKILL") });
    const call = callThread(entry, import.meta.url, "abort", undefined, child);
    await expect(call).rejects.toMatchObject({ code: "backend", reason: "THREAD_LOST" });
  });

  it("lets its parent decide about signals for the whole group", async () => {
    const busy = start(child, "forever");
    const pid = Number(await busy.next());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.kill(pid, signal);
    await wait(200);
    expect(isAlive(pid)).toBe(true);
    busy.hosted.end();
    await busy.hosted.ended;
    expect(isAlive(pid)).toBe(false);
  });
});

it("limits follow the memory of the server, within bounds", () => {
  expect([1e8, 4e9, 1e12].map(defaultHeapBytes)).toEqual([512 * 2 ** 20, 2e9, 4 * 2 ** 30]);
  expect(defaultProcessBytes(4e9)).toBe(3e9);
});
