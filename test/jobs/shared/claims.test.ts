import { describe, expect, it } from "vitest";
import { applyEvent, type Job, type JobOwner, newJob } from "../../../src/jobs/job.ts";
import type { NewJobEvent } from "../../../src/jobs/job-event.ts";
import { stateChange } from "../../../src/jobs/log/job-record.ts";
import {
  type Claim,
  claimEvents,
  holds,
  releaseEvents,
  requeueEvents,
  wasTaken,
} from "../../../src/jobs/shared/claims.ts";
import { specOf } from "../fake-runner.ts";

// The rules of claims one by one; what they lead to together is the explorer's.

const LEFT: JobOwner = { trainer: "left", host: "machine-1" };
const RIGHT: JobOwner = { trainer: "right", host: "machine-2" };
// As a pause: a server that may have died of its job would count against it.
const GONE = { why: "no sign of life", killed: false } as const;

/** The job after events. */
function after(job: Job, events: readonly NewJobEvent[] | undefined): Job {
  expect(events).toBeDefined();
  return events!.reduce((at, event) => applyEvent(at, { ...event, sequence: at.lastSequence + 1, timeMs: 0 }), job);
}

const fresh = newJob({ id: "job", requestId: "request", specDigest: "digest", spec: specOf({}), createdMs: 0 });
const queued = after(fresh, [{ kind: "state_changed", summary: "queued" }]);
const claimed = (job: Job, owner: JobOwner) => after(job, claimEvents(job, owner));
const running = (job: Job) => after(job, [stateChange(job.state, { kind: "begin" })]);
const released = (job: Job) => after(job, releaseEvents(job, job.generation!, GONE));
const claimOf = (job: Job): Claim => ({ trainer: job.owner!.trainer, generation: job.generation! });

describe("a claim", () => {
  it("is of a queued job that nobody has", () => {
    const taken = claimed(queued, LEFT);
    expect(taken).toMatchObject({ owner: LEFT, generation: 1 });
    expect(claimEvents(taken, RIGHT)).toBeUndefined(); // claimed, and not begun yet
    expect(claimEvents(running(taken), RIGHT)).toBeUndefined();
  });

  it("does not hold any more when its server has the job anew", () => {
    const first = running(claimed(queued, LEFT));
    const again = claimed(released(first), LEFT);
    expect(again.generation).toBe(2);
    expect(holds(again, claimOf(first))).toBe(false);
    expect(holds(again, claimOf(again))).toBe(true);
    expect(holds(claimed(released(first), RIGHT), { trainer: LEFT.trainer, generation: 2 })).toBe(false);
  });

  it("was taken once somebody ended it, whoever has the job then, and not when its job ended", () => {
    const first = running(claimed(queued, LEFT));
    const claim = claimOf(first);
    expect(wasTaken(first, claim)).toBe(false);
    expect(wasTaken(released(first), claim)).toBe(true);
    expect(wasTaken(claimed(released(first), LEFT), claim)).toBe(true);
    expect(wasTaken(claimed(released(first), RIGHT), claim)).toBe(true);
  });

  it("is ended by who means it, and nobody who means an earlier one", () => {
    const second = running(claimed(released(running(claimed(queued, LEFT))), RIGHT));
    expect(releaseEvents(second, 1, GONE)).toBeUndefined();
    expect(released(second)).toMatchObject({ owner: undefined, state: { kind: "queued" } });
    expect(releaseEvents(released(second), 2, GONE)).toBeUndefined(); // it has ended already
  });
});

it("a job that is in the queue, or in somebody's hands, is not put there again", () => {
  expect(requeueEvents(queued)).toBeUndefined();
  expect(requeueEvents(running(claimed(queued, LEFT)))).toBeUndefined();
});
