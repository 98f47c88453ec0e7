import { describe, expect, it } from "vitest";
import type { JobService } from "../../src/jobs/job-service.ts";
import { StandbyJobService } from "../../src/jobs/standby-job-service.ts";
import { specOf } from "./fake-runner.ts";

/** A service that remembers which of its calls were made. */
function recording(calls: string[]): JobService {
  const call = (name: string) => () => void calls.push(name);
  return new Proxy({} as JobService, { get: (_, name) => (name === "then" ? undefined : call(String(name))) });
}

describe("jobs whose directory cannot be written yet", () => {
  it("are refused with a time to come back, and served from the first attempt that succeeds", async () => {
    const calls: string[] = [];
    const attempts: unknown[] = [];
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    let opens = 0;
    let tick = () => {};
    let stopped = false;
    const service = new StandbyJobService({
      cause: full,
      open: async () => {
        if (++opens === 1) throw full;
        return recording(calls);
      },
      every: (_, callback) => {
        tick = callback;
        return () => {
          stopped = true;
        };
      },
      onAttempt: (error) => attempts.push(error),
    });
    const refused = { code: "unavailable", reason: "JOBS_UNWRITABLE", retryAfterMs: 30_000 };
    await expect(service.create("r", specOf())).rejects.toMatchObject(refused);
    expect(() => service.get("j")).toThrow(expect.objectContaining(refused));
    expect(service.list()).toEqual([]);
    tick();
    tick(); // the attempt under way is the only one
    await expect.poll(() => attempts.length).toBe(1);
    expect([attempts, stopped]).toEqual([[full], false]);
    tick();
    await expect.poll(() => attempts.length).toBe(2);
    expect([attempts[1], stopped]).toEqual([undefined, true]);
    await service.create("r", specOf());
    service.get("j");
    await service.close();
    expect(calls).toEqual(["create", "get", "stop", "close"]);
  });
});
