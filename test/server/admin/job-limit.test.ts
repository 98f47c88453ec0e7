import { expect, it } from "vitest";
import { Allowances } from "../../../src/access/allowances.ts";
import type { Caller } from "../../../src/access/caller.ts";
import { type Job, newJob } from "../../../src/jobs/job.ts";
import type { JobState } from "../../../src/jobs/job-state.ts";
import { JobLimit } from "../../../src/server/admin/job-limit.ts";

const caller = (name: string, jobs?: number): Caller => ({
  ...{ name, scopes: ["train"], models: ["*"], valid: () => true },
  ...(jobs === undefined ? {} : { limits: { jobs } }),
});
const job = (
  requestId: string,
  by: string | undefined,
  state: JobState = { kind: "queued", resuming: false },
): Job => ({
  ...newJob({ id: requestId, requestId, spec: {} as Job["spec"], specDigest: "", createdMs: 0 }),
  state,
  history: [{ from: undefined, to: state, timeMs: 0, ...(by === undefined ? {} : { detail: `by ${by}` }) }],
});

function rig() {
  const jobs: Job[] = [];
  const limits = { requests_per_second: 0, tokens_per_second: 0, bytes_per_second: 0, streams: 0, jobs: 2 };
  const limit = new JobLimit({ list: () => jobs }, new Allowances({ limits, burstSeconds: 1 }));
  const create = (requestId: string, by: Caller | undefined) =>
    limit.create(by, requestId, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const made = job(requestId, by?.name);
      jobs.push(made);
      return { job: made, replayed: false };
    });
  return { jobs, create };
}
const REFUSED = { reason: "CALLER_LIMIT", metadata: { limit: "jobs", value: "2" } };

it("a caller has so many unfinished jobs, another its own", async () => {
  const { jobs, create } = rig();
  await create("1", caller("a"));
  await create("2", caller("a"));
  await expect(create("3", caller("a"))).rejects.toMatchObject(REFUSED);
  await create("4", caller("b"));
  await create("5", undefined);
  jobs[0] = job("1", "a", { kind: "cancelled" });
  await create("6", caller("a"));
  await create("7", caller("a", 0));
});

it("jobs that are being created count, and whoever asks for one again gets it", async () => {
  const { create } = rig();
  const results = await Promise.allSettled(["1", "2", "3", "4"].map((id) => create(id, caller("a"))));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  await create("1", caller("a"));
});
