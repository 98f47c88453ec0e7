import { describe, expect, it } from "vitest";
import { applyEvent, type Job, newJob } from "../../../src/jobs/job.ts";
import { type NewJobEvent, queuedEvent } from "../../../src/jobs/job-event.ts";
import { stateChange } from "../../../src/jobs/log/job-record.ts";
import { claimEvents } from "../../../src/jobs/shared/claims.ts";
import { judgeClaim } from "../../../src/jobs/shared/share-limit.ts";
import { specOf } from "../fake-runner.ts";

// Explores every state of servers that claim the jobs of one submitter, with the rule that the program uses. They claim whatever is free
// whenever they like, as a server does that looked long ago; then they read the jobs one by one, and anything may happen in between.

/** How a job stands: in the queue, claimed, begun, or ended. */
type Stand = "free" | "claimed" | "begun" | "ended";

interface Server {
  /** The job that it has claimed or begun; -1 for none. */
  readonly hand: number;
  /** What it has read of the jobs since its claim stood, from the first on. */
  readonly read: readonly Stand[];
}

interface State {
  readonly jobs: readonly Stand[];
  readonly servers: readonly Server[];
  /** Crashes that may still happen. */
  readonly crashes: number;
}

const IDLE: Server = { hand: -1, read: [] };

/** Jobs by number and how they stand, as their logs make them. */
function makeJobs(count: number): readonly Readonly<Record<Stand, Job>>[] {
  const add = (job: Job, event: NewJobEvent) =>
    applyEvent(job, { ...event, sequence: job.lastSequence + 1, timeMs: job.createdMs });
  return Array.from({ length: count }, (_, i) => {
    const identity = { id: `job-${i}`, requestId: "", spec: specOf(), specDigest: "", createdMs: 0 };
    const free = add(newJob(identity), queuedEvent("ann"));
    const claimed = claimEvents(free, { trainer: "t", host: "h" })!.reduce(add, free);
    const begun = add(claimed, stateChange(claimed.state, { kind: "begin" }));
    const cancelling = add(begun, stateChange(begun.state, { kind: "cancel" }));
    return { free, claimed, begun, ended: add(cancelling, stateChange(cancelling.state, { kind: "stopped" })) };
  });
}

/** Every state that can be reached, by number, with those after it; and the most jobs that were ever begun at once. */
function explore(first: State, limit: number, judge: typeof judgeClaim) {
  const made = makeJobs(first.jobs.length);
  const numbers = new Map<string, number>();
  const after: number[][] = [];
  const ends: number[] = [];
  const waiting: State[] = [];
  let most = 0;
  const numberOf = (state: State): number => {
    const key = JSON.stringify(state);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, after.length);
    waiting.push(state);
    return after.push([]) - 1;
  };
  numberOf(first);
  for (let number = 0; number < after.length; number++) {
    const state = waiting[number]!;
    most = Math.max(most, state.jobs.filter((stand) => stand === "begun").length);
    if (state.jobs.every((stand) => stand === "ended")) ends.push(number);
    after[number]!.push(...stepsFrom(state).map(numberOf));
  }
  return { states: after.length, most, stuck: after.length - canEnd(after, ends).size };

  function stepsFrom(state: State): State[] {
    const { jobs, servers, crashes } = state;
    const found: State[] = [];
    const next = (i: number, server: Server, stand?: Stand, more: Partial<State> = {}) =>
      found.push({
        jobs: stand === undefined ? jobs : jobs.with(servers[i]!.hand < 0 ? server.hand : servers[i]!.hand, stand),
        servers: servers.with(i, server),
        crashes,
        ...more,
      });
    for (const [i, server] of servers.entries()) {
      const { hand, read } = server;
      if (hand < 0) {
        for (const [k, stand] of jobs.entries()) if (stand === "free") next(i, { hand: k, read: [] }, "claimed");
        continue;
      }
      // Its lease runs out, and the job is in the queue again.
      if (crashes > 0) next(i, IDLE, "free", { crashes: crashes - 1 });
      if (jobs[hand] === "begun") next(i, IDLE, "ended");
      else if (read.length < jobs.length) next(i, { hand, read: [...read, jobs[read.length]!] });
      else {
        const verdict = judge(
          made[hand]!.claimed,
          made.map((stands, k) => stands[read[k]!]),
          limit,
        );
        if (verdict === "begin") next(i, { hand, read: [] }, "begun");
        else if (verdict === "give-back") next(i, IDLE, "free");
        else next(i, { hand, read: [] });
      }
    }
    return found;
  }
}

/** The states from which all jobs can come to their end. */
function canEnd(after: readonly (readonly number[])[], ends: readonly number[]): ReadonlySet<number> {
  const before: number[][] = after.map(() => []);
  for (const [state, following] of after.entries()) for (const next of following) before[next]!.push(state);
  const found = new Set(ends); // grows while it is read
  for (const state of found) for (const earlier of before[state]!) found.add(earlier);
  return found;
}

const begin = (servers: number, jobs: number, crashes: number): State => ({
  jobs: Array.from({ length: jobs }, () => "free"),
  servers: Array.from({ length: servers }, () => IDLE),
  crashes,
});

describe("servers that claim the jobs of one submitter at the same time", () => {
  const CASES = [
    [2, 2, 1, 1],
    [3, 3, 1, 0],
    [3, 3, 2, 1],
    [2, 4, 1, 1],
  ] as const;
  for (const [servers, jobs, limit, crashes] of CASES) {
    it(`${servers} of them, ${jobs} jobs, ${limit} at work, ${crashes} crashes: never more are at work, and all can end`, () => {
      const { states, most, stuck } = explore(begin(servers, jobs, crashes), limit, judgeClaim);
      console.info(`${servers} servers, ${jobs} jobs, ${limit} at work: ${states} states`);
      expect([most, stuck]).toEqual([limit, 0]);
    });
  }

  it("would begin too many without looking again", () => {
    const { most } = explore(begin(2, 2, 0), 1, () => "begin");
    expect(most).toBe(2);
  });

  it("would wait for each other, or begin too many, if younger claims counted for nothing", () => {
    const { most } = explore(begin(2, 2, 0), 1, (job, all, limit) => {
      const verdict = judgeClaim(job, all, limit);
      return verdict === "look-again" ? "begin" : verdict;
    });
    expect(most).toBe(2);
  });
});

it("a claim is of a submitter's, and a bound of 0 is none", () => {
  const [first, second] = makeJobs(2);
  const judge = (limit: number, other: Job) => judgeClaim(second!.claimed, [second!.claimed, other], limit);
  expect(judge(1, first!.claimed)).toBe("give-back");
  expect(judge(1, first!.begun)).toBe("give-back");
  expect(judge(1, first!.free)).toBe("begin");
  expect(judge(1, first!.ended)).toBe("begin");
  expect(judge(2, first!.begun)).toBe("begin");
  expect(judge(0, first!.begun)).toBe("begin");
  expect(judgeClaim(first!.claimed, [first!.claimed, second!.claimed], 1)).toBe("look-again");
  expect(judgeClaim(first!.claimed, [first!.claimed, second!.begun], 1)).toBe("give-back");
  const [{ detail: _, ...queued }] = [first!.claimed.history[0]!];
  expect(judge(1, { ...first!.begun, history: [queued] })).toBe("begin");
});
