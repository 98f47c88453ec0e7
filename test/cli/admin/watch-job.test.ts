import { create } from "@bufbuild/protobuf";
import { afterEach, expect, it, vi } from "vitest";
import { watchJob } from "../../../src/cli/admin/job-progress.ts";
import type { AdminClient } from "../../../src/client/admin-client.ts";
import { CallError } from "../../../src/client/call-error.ts";
import { GetJobResponseSchema, JobState, WatchJobResponseSchema } from "../../../src/gen/albert/v1/training_pb.js";

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const UNAVAILABLE = 14;
const away = new CallError(UNAVAILABLE, "connection lost", {
  reason: "",
  metadata: {},
  violations: [],
  retryAfterMs: undefined,
});
const event = (sequence: number) =>
  create(WatchJobResponseSchema, { update: { case: "event", value: { sequence, kind: "activity", summary: "" } } });

/** A client whose watches are scripted; the job has ended with event 4. */
function client(watches: ((after: number) => AsyncGenerator<ReturnType<typeof event>>)[], state: JobState) {
  const after: number[] = [];
  const training = {
    watchJob: ({ afterSequence }: { afterSequence: number }) => {
      after.push(afterSequence);
      return watches.shift()!(afterSequence);
    },
    getJob: async () => create(GetJobResponseSchema, { job: { terminal: true, state, lastSequence: 4 } }),
  };
  return { after, client: { training } as unknown as Pick<AdminClient, "training"> };
}

it("goes on where it was when the server goes away, and shows each event once", async () => {
  let shown = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    shown += text;
    return true;
  });
  const { after, client: scripted } = client(
    [
      async function* () {
        yield event(1);
        yield event(2);
        throw away;
      },
      async function* () {
        yield event(3); // then the server drains: it ends the stream
      },
      async function* () {
        yield event(4);
      },
    ],
    JobState.SUCCEEDED,
  );
  await watchJob(scripted, "job", { json: true, retryMs: 0 });
  expect(after).toEqual([0, 2, 3]);
  const sequences = shown
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).sequence);
  expect(sequences).toEqual([1, 2, 3, 4]);
  expect(process.exitCode).toBeUndefined();
});

it("ends with 1 when the job did not succeed, also when its end was seen before", async () => {
  const { client: scripted } = client([async function* () {}], JobState.CANCELLED);
  await watchJob(scripted, "job", { json: true, after: 4, retryMs: 0 });
  expect(process.exitCode).toBe(1);
});

it("passes on what trying again cannot mend", async () => {
  const absent = new CallError(5, "no such job", {
    reason: "JOB_NOT_FOUND",
    metadata: {},
    violations: [],
    retryAfterMs: undefined,
  });
  const { client: scripted } = client(
    [
      // biome-ignore lint/correctness/useYield: a stream that fails before its first event
      async function* () {
        throw absent;
      },
    ],
    JobState.SUCCEEDED,
  );
  await expect(watchJob(scripted, "none", { json: true, retryMs: 0 })).rejects.toBe(absent);
});
