import { describe, expect, it } from "vitest";
import {
  allows,
  isActive,
  isTerminal,
  type JobState,
  type JobStateKind,
  type JobTransition,
  nextState,
} from "../../src/jobs/job-state.ts";

const RESULT = { modelVersion: "m@1", metrics: { accuracy: 0.5 } };
const PROBLEMS = [{ where: "a.tsv:1:1", what: "no label", hint: "" }];
const REJECT = { reason: "DATA_INVALID", problems: PROBLEMS } as const;
const FAIL = { reason: "DIVERGED", message: "NaN" } as const;

/** One job in every state, with what the state owns. */
const STATES: Readonly<Record<string, JobState>> = {
  queued: { kind: "queued", resuming: false },
  "queued again": { kind: "queued", resuming: true },
  validating: { kind: "validating", resuming: false },
  preparing: { kind: "preparing", resuming: false },
  "preparing again": { kind: "preparing", resuming: true },
  running: { kind: "running" },
  evaluating: { kind: "evaluating" },
  paused: { kind: "paused" },
  preempted: { kind: "preempted" },
  held: { kind: "held", metrics: RESULT.metrics },
  "given up": { kind: "succeeded", result: { metrics: RESULT.metrics, stoppedBy: "sweep" } },
  cancelling: { kind: "cancelling" },
  succeeded: { kind: "succeeded", result: RESULT },
  failed: { kind: "failed", ...FAIL },
  poisoned: { kind: "failed", reason: "POISON", message: "killed twice" },
  rejected: { kind: "rejected", ...REJECT },
  cancelled: { kind: "cancelled" },
};

const TRANSITIONS: { readonly [K in JobTransition["kind"]]: Extract<JobTransition, { kind: K }> } = {
  begin: { kind: "begin" },
  validated: { kind: "validated" },
  reject: { kind: "reject", ...REJECT },
  prepared: { kind: "prepared" },
  publish: { kind: "publish" },
  trained: { kind: "trained" },
  succeed: { kind: "succeed", result: RESULT },
  fail: { kind: "fail", ...FAIL },
  cancel: { kind: "cancel" },
  stopped: { kind: "stopped" },
  pause: { kind: "pause" },
  resume: { kind: "resume" },
  preempt: { kind: "preempt" },
  hold: { kind: "hold", metrics: RESULT.metrics },
  release: { kind: "release" },
  "give-up": { kind: "give-up" },
};

/** Where each transition leads from each state, by the names above; what is not named here is refused. */
const TABLE: Readonly<Record<string, { readonly [K in JobTransition["kind"]]?: string }>> = {
  queued: { begin: "validating", pause: "paused", cancel: "cancelled", fail: "failed" },
  "queued again": {
    begin: "preparing again",
    publish: "evaluating",
    pause: "paused",
    cancel: "cancelled",
    fail: "failed",
  },
  validating: { validated: "preparing", reject: "rejected", cancel: "cancelling", preempt: "preempted" },
  preparing: { prepared: "running", reject: "rejected", fail: "failed", cancel: "cancelling", preempt: "preempted" },
  "preparing again": {
    prepared: "running",
    reject: "rejected",
    fail: "failed",
    cancel: "cancelling",
    preempt: "preempted",
  },
  running: {
    trained: "evaluating",
    fail: "failed",
    pause: "paused",
    cancel: "cancelling",
    preempt: "preempted",
    hold: "held",
  },
  evaluating: { succeed: "succeeded", fail: "failed", cancel: "cancelling", preempt: "preempted", hold: "held" },
  held: { release: "queued again", cancel: "cancelled", "give-up": "given up" },
  "given up": {},
  paused: { resume: "queued again", cancel: "cancelled" },
  preempted: { resume: "queued again", cancel: "cancelled", fail: "failed" },
  poisoned: { resume: "queued again" },
  cancelling: { stopped: "cancelled" },
  succeeded: {},
  failed: {},
  rejected: {},
  cancelled: {},
};

describe("a job", () => {
  for (const [from, state] of Object.entries(STATES)) {
    for (const transition of Object.values(TRANSITIONS)) {
      const to = TABLE[from]?.[transition.kind];
      it(`that is ${from} ${to === undefined ? `refuses ${transition.kind}` : `is ${to} after ${transition.kind}`}`, () => {
        expect(allows(state, transition)).toBe(to !== undefined);
        if (to !== undefined) {
          expect(nextState(state, transition)).toEqual(STATES[to]);
          return;
        }
        const metadata = { state: state.kind, move: transition.kind };
        expect(() => nextState(state, transition)).toThrow(
          expect.objectContaining({ code: "precondition", reason: "ILLEGAL_TRANSITION", metadata }),
        );
      });
    }
  }

  it("is at work, ended, or neither", () => {
    const kinds = (test: (state: JobState) => boolean): readonly JobStateKind[] => [
      ...new Set(
        Object.values(STATES)
          .filter(test)
          .map(({ kind }) => kind),
      ),
    ];
    expect(kinds(isActive)).toEqual(["validating", "preparing", "running", "evaluating"]);
    expect(kinds(isTerminal)).toEqual(["succeeded", "failed", "rejected", "cancelled"]);
  });
});
