import { afterEach, describe, expect, it } from "vitest";
import { inThread, SMALL_HEAP, type ThreadEnd, type ThreadHost } from "../../../src/platform/threads/hosted-thread.ts";
import { KeptThreads } from "../../../src/platform/threads/kept-threads.ts";

const entry = new URL("./kept-module", import.meta.url);

let threads: KeptThreads<string, number>;
let ends: Promise<ThreadEnd>[];
afterEach(() => threads.close());

/** Kept threads whose ends are seen. */
function keep(idleMs: number): void {
  ends = [];
  const inner = inThread(SMALL_HEAP);
  const host: ThreadHost = (start) => {
    const thread = inner(start);
    ends.push(thread.ended);
    return thread;
  };
  threads = new KeptThreads(entry, import.meta.url, host, idleMs);
}

describe("KeptThreads", () => {
  it("gives one thread one request after another, and calls at once a thread each", async () => {
    keep(60_000);
    const first = await threads.call("where");
    expect(await threads.call("where")).toBe(first);
    const both = await Promise.all([threads.call("where"), threads.call("where")]);
    expect(new Set(both).size).toBe(2);
    expect(both).toContain(first);
    expect(ends).toHaveLength(2);
    threads.close();
    await Promise.all(ends);
  });

  it("keeps a thread that refused, and not one that met a bug or died", async () => {
    keep(60_000);
    const first = await threads.call("where");
    await expect(threads.call("refuse")).rejects.toMatchObject({
      code: "corrupt",
      message: "the request is refused",
    });
    expect(await threads.call("where")).toBe(first);
    await expect(threads.call("bug")).rejects.toThrow("a bug");
    const second = await threads.call("where");
    expect(second).not.toBe(first);
    await expect(threads.call("die")).rejects.toMatchObject({ code: "backend", reason: "THREAD_LOST" });
    expect(await threads.call("where")).not.toBe(second);
  });

  it("ends a thread that has waited for long, and after it is closed every thread that has answered", async () => {
    keep(20);
    await threads.call("where");
    expect(await ends[0]).toMatchObject({ kind: "exited" });
    const late = threads.call("where");
    threads.close();
    expect(await late).toBeGreaterThan(0);
    expect(await ends[1]).toMatchObject({ kind: "exited" });
  });
});
