import { appendFile, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EventLog, readLog } from "../../../src/jobs/log/event-log.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-event-log-"));
  path = join(directory, "events.log");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function written(count: number): Promise<void> {
  const log = await EventLog.open(path, () => 5);
  await Promise.all(
    Array.from({ length: count }, (_, i) => log.append({ kind: "activity", summary: `event ${i + 1} \u00e9` })),
  );
  await log.close();
}

describe("an event log", () => {
  it("numbers events from 1 in the order they were appended, and gives them back after reopening", async () => {
    await written(5);
    const log = await EventLog.open(path);
    expect((await log.events()).map(({ sequence, summary }) => [sequence, summary])).toEqual(
      [1, 2, 3, 4, 5].map((sequence) => [sequence, `event ${sequence} \u00e9`]),
    );
    expect((await log.append({ kind: "activity", summary: "next" })).sequence).toBe(6);
    await log.close();
  });

  it("drops a torn last line wherever it was torn, and goes on from there", async () => {
    await written(3);
    const whole = await readFile(path);
    const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let cut = lastLine; cut < whole.length; cut++) {
      await writeFile(path, whole.subarray(0, cut));
      const log = await EventLog.open(path);
      expect(await log.events()).toHaveLength(2);
      expect((await log.append({ kind: "activity", summary: "again" })).sequence).toBe(3);
      await log.close();
      expect(readLog(await readFile(path)).events).toHaveLength(3);
    }
  });

  it("at rest shows no event before it is durable, and says so when one is lost on the disk", async () => {
    await written(4);
    const longer = await readFile(path);
    const whole = longer.subarray(0, longer.lastIndexOf(0x0a, longer.length - 2) + 1);
    await writeFile(path, whole);
    const log = await EventLog.open(path);
    await log.rest();
    await writeFile(path, longer); // as while a fourth event is on its way to the disk
    expect(await log.events()).toHaveLength(3);
    await writeFile(path, whole.subarray(0, whole.length - 2));
    await expect(log.events()).rejects.toMatchObject({ reason: "JOB_LOG_CORRUPT" });
    await expect(log.append({ kind: "activity", summary: "next" })).rejects.toMatchObject({
      reason: "JOB_LOG_CORRUPT",
    });
    await log.close();
  });

  it("wakes who waits for news when there is some, when they give up, and when it is closed", async () => {
    const log = await EventLog.open(path);
    const news = log.newer(0);
    await log.append({ kind: "activity", summary: "first" });
    await news;
    const giveUp = new AbortController();
    const woken: string[] = [];
    const givenUp = log.newer(1, giveUp.signal).then(() => woken.push("given up"));
    const closed = log.newer(1).then(() => woken.push("closed"));
    giveUp.abort();
    await givenUp;
    expect(woken).toEqual(["given up"]);
    await log.close();
    await closed;
    await log.newer(1); // nothing more will come
    expect(log.closed).toBe(true);
  });

  it("refuses a wrong line before the last, which no kill can leave", async () => {
    await written(3);
    const bytes = await readFile(path);
    bytes[20] = bytes[20]! ^ 1;
    await writeFile(path, bytes);
    await expect(EventLog.open(path)).rejects.toMatchObject({ reason: "JOB_LOG_CORRUPT" });
  });

  it("takes a line of garbage at its end for a torn one", async () => {
    await written(2);
    await appendFile(path, "garbage\n");
    expect(readLog(await readFile(path))).toMatchObject({ torn: true, events: { length: 2 } });
    await truncate(path, 0);
    expect(readLog(await readFile(path)).events).toEqual([]);
  });

  it("stays whole though the disk fails while an event is written, and while half of it is removed", async () => {
    await written(1);
    const probe = await open(path);
    const prototype = Object.getPrototypeOf(probe);
    await probe.close();
    const { appendFile: real } = prototype;
    const failed = Object.assign(new Error("EIO"), { code: "EIO" });
    const log = await EventLog.open(path);
    vi.spyOn(prototype, "appendFile").mockImplementationOnce(async function (this: unknown, line: unknown) {
      await real.call(this, (line as Buffer).subarray(0, 20));
      throw failed;
    });
    vi.spyOn(prototype, "truncate").mockRejectedValueOnce(failed);
    await expect(log.append({ kind: "activity", summary: "lost" })).rejects.toThrow("EIO");
    await log.append({ kind: "activity", summary: "next" });
    await log.close();
    vi.restoreAllMocks();
    const { events, torn } = readLog(await readFile(path));
    expect([events.map(({ summary }) => summary), torn]).toEqual([["event 1 \u00e9", "next"], false]);
  });
});
