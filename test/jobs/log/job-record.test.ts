import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobEvent } from "../../../src/jobs/job-event.ts";
import { JobRecord } from "../../../src/jobs/log/job-record.ts";
import { specOf } from "../fake-runner.ts";

const IDENTITY = { id: "j", requestId: "", spec: specOf(), specDigest: "", createdMs: 1 };
const ACCESS = { clock: () => 1, checkFencing: async () => {}, onChange: () => {}, onDamaged: () => {} };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "albert-record-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const openRecord = () => JobRecord.open(directory, IDENTITY, ACCESS);
const failure = { kind: "fail", reason: "POISON", message: "m" } as const;

/** Whether this process has the log open. */
function isOpen(): boolean {
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === join(directory, "events.log");
    } catch {
      return false; // the one by which the directory was read
    }
  });
}

async function all(events: AsyncIterable<JobEvent>): Promise<string[]> {
  const summaries: string[] = [];
  for await (const { summary } of events) summaries.push(summary);
  return summaries;
}

describe.skipIf(process.platform !== "linux")("the log of a job that has ended", () => {
  it("is not kept open, and is told whole to who asks later", async () => {
    const record = await openRecord();
    await record.append({ kind: "activity", summary: "first" });
    expect(isOpen()).toBe(true);
    await record.transition({ kind: "cancel" });
    expect(record.job.state.kind).toBe("cancelled");
    expect(isOpen()).toBe(false);
    expect(await all(record.watch(0))).toEqual(["first", "queued -> cancelled"]);
    expect(await all(record.watch(1))).toEqual(["queued -> cancelled"]);
    await record.close();
  });

  it("is told to its end to who watched before", async () => {
    const record = await openRecord();
    const watched = all(record.watch(0));
    await record.append({ kind: "activity", summary: "first" });
    await record.transition({ kind: "cancel" });
    await record.append({ kind: "activity", summary: "tidied up" });
    expect((await watched).slice(0, 2)).toEqual(["first", "queued -> cancelled"]);
    await record.close();
  });

  it("is not opened for long when a server starts, and goes on where it ended when the job does", async () => {
    const before = await openRecord();
    await before.transition({ kind: "begin" });
    await before.transition({ kind: "validated" });
    await before.transition({ kind: "prepared" });
    await before.transition(failure);
    await before.close();
    const record = await openRecord();
    expect(record.job.state.kind).toBe("failed");
    expect(isOpen()).toBe(false);
    await record.transition({ kind: "resume" });
    expect([record.job.state.kind, isOpen()]).toEqual(["queued", true]);
    await record.close();
    const numbers = readFileSync(join(directory, "events.log"), "utf8").match(/"sequence":\d+/g);
    expect(numbers).toEqual([1, 2, 3, 4, 5].map((sequence) => `"sequence":${sequence}`));
  });
});
