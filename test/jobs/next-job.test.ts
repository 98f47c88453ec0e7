import { describe, expect, it } from "vitest";
import { applyEvent, type Job, newJob } from "../../src/jobs/job.ts";
import { type NewJobEvent, queuedEvent } from "../../src/jobs/job-event.ts";
import { type JobState, nextState } from "../../src/jobs/job-state.ts";
import { nextJob } from "../../src/jobs/next-job.ts";
import { specOf } from "./fake-runner.ts";

const MINUTE = 60_000;

/** A job of a submitter that was created at a minute, and began at others. */
function job(id: string, by: string | undefined, createdMinute: number, priority = 0, beganMinute?: number): Job {
  const identity = { id, requestId: "", spec: specOf({ priority }), specDigest: "", createdMs: createdMinute * MINUTE };
  const add = (before: Job, event: NewJobEvent, minute: number) =>
    applyEvent(before, { ...event, sequence: before.lastSequence + 1, timeMs: minute * MINUTE });
  const queued = add(newJob(identity), queuedEvent(by), createdMinute);
  if (beganMinute === undefined) return queued;
  const to = nextState(queued.state, { kind: "begin" });
  return add(queued, { kind: "state_changed", summary: "", transition: { from: "queued", to } }, beganMinute);
}

const at = (minute: number) => ({ clock: () => minute * MINUTE });

describe("the next job", () => {
  it("of one submitter is the highest, then the one that waited longest", () => {
    const jobs = [job("a", "ann", 0), job("b", "ann", 1), job("c", "ann", 2, 1)];
    expect(nextJob(jobs, at(3))?.id).toBe("c");
    expect(nextJob(jobs.slice(0, 2), at(3))?.id).toBe("a");
    expect(nextJob([job("a", undefined, 0, -3), job("b", undefined, 25, 0)], at(26))?.id).toBe("b");
    expect(nextJob([job("a", undefined, 0, -3), job("b", undefined, 45, 0)], at(46))?.id).toBe("a");
    expect(nextJob([], at(3))).toBeUndefined();
  });

  it("is that of the submitter who has fewer at work, within a step of priority", () => {
    const jobs = [job("a", "ann", 0, 0, 1), job("b", "ann", 1), job("c", "bob", 2)];
    expect(nextJob(jobs, at(3))?.id).toBe("c");
    expect(nextJob([...jobs, job("d", "ann", 2, 5)], at(3))?.id).toBe("d");
  });

  it("is that of the submitter who had fewer turns while jobs waited", () => {
    const ended = (one: Job): Job => ({ ...one, state: { kind: "cancelled" } });
    const jobs = [job("a1", "ann", 0), job("b1", "bob", 1), ended(job("a0", "ann", 0, 0, 2))];
    expect(nextJob(jobs, at(3))?.id).toBe("b1");
    expect(nextJob(jobs.slice(0, 2), at(3))?.id).toBe("a1");
  });

  it("is none of a submitter who has as many at work as it may, and none that this server does not take", () => {
    const jobs = [job("a", "ann", 0, 0, 1), job("b", "ann", 1), job("c", "bob", 2)];
    expect(nextJob(jobs.slice(0, 2), { ...at(3), atWorkPerSubmitter: 1 })).toBeUndefined();
    expect(nextJob(jobs.slice(0, 2), { ...at(3), atWorkPerSubmitter: 2 })?.id).toBe("b");
    expect(nextJob(jobs, { ...at(3), except: new Set(["c"]) })?.id).toBe("b");
  });

  it("is no trial of a sweep that is paused or ends", () => {
    const of = (state: JobState): Job[] => [
      { ...job("s", "ann", 0), state, spec: specOf({ kind: "sweep" }) },
      { ...job("t", "ann", 0), spec: specOf({ trial: { sweep: "s", number: 1, shares: [1] } }) },
    ];
    expect(nextJob(of({ kind: "running" }), at(1))?.id).toBe("t");
    const resting: JobState[] = [
      { kind: "paused" },
      { kind: "cancelling" },
      { kind: "cancelled" },
      { kind: "failed", reason: "DATA_INVALID", message: "" },
    ];
    for (const state of resting) expect(nextJob(of(state), at(1)), state.kind).toBeUndefined();
  });
});
