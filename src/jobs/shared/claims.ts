import { AlbertError } from "../../errors.ts";
import { applyEvent, type Job, type JobOwner, SERVER_ENDED, SERVER_STOPPED } from "../job.ts";
import type { JobEvent, NewJobEvent } from "../job-event.ts";
import { isActive, isTerminal } from "../job-state.ts";
import { stateChange } from "../log/job-record.ts";
import { afterKill } from "../poison.ts";

// The rules by which servers share jobs, as pure functions of a job's log. A job is claimed, worked on and released by events of its
// log, of which each has a number that only one writer gets; so whatever servers believe about each other, all see one history.

/** Under what a server works on a job. */
export interface Claim {
  readonly trainer: string;
  readonly generation: number;
}

/** Whether a claim is the job's present one: what is written under any other is refused. */
export function holds(job: Job, { trainer, generation }: Claim): boolean {
  return job.owner?.trainer === trainer && job.generation === generation;
}

/** Whether somebody else ended a claim, or it is older than the job's present one. */
export function wasTaken({ generation = 0, released }: Job, claim: Claim): boolean {
  return generation > claim.generation || released === claim.generation;
}

/** Why a claim ends whose owner does not end it. */
export interface Release {
  /** In words. */
  readonly why: string;
  /** Whether the owner may have died of the job. */
  readonly killed: boolean;
}

/** What an owner that is none any more gets instead of its write. */
export function claimLost(job: Job): AlbertError {
  const now = job.owner === undefined ? "belongs to no server" : `belongs to a server on ${job.owner.host}`;
  return new AlbertError("precondition", `job ${job.id} was taken from this server and ${now} now: it stops its work`, {
    reason: "JOB_CLAIM_LOST",
  });
}

/** The events by which a server takes a queued job; undefined where it is not to be had. */
export function claimEvents(job: Job, owner: JobOwner): readonly NewJobEvent[] | undefined {
  if (job.state.kind !== "queued" || job.owner !== undefined) return undefined;
  const generation = (job.generation ?? 0) + 1;
  const summary = `claimed by a server on ${owner.host}, generation ${generation}`;
  return [{ kind: "claimed", summary, detail: { ...owner, generation } }];
}

/**
 * The events by which a claim ends whose owner is gone: the job stands in the queue again, or is what was asked of it meanwhile, or is
 * given up because it seems to kill its owners. Undefined where the claim has ended already.
 */
export function releaseEvents(
  job: Job,
  generation: number,
  { why, killed }: Release,
  poisonKills?: number,
): readonly NewJobEvent[] | undefined {
  const { owner } = job;
  if (owner === undefined || job.generation !== generation || isTerminal(job.state)) return undefined;
  const draft = new Draft(job);
  const detail = { ...owner, generation };
  draft.add({ kind: "released", summary: `taken from a server on ${owner.host}: ${why}`, detail });
  if (job.state.kind === "cancelling") draft.add(stateChange(draft.job.state, { kind: "stopped" }));
  if (isActive(job.state)) {
    const reason = "SERVER_RESTART";
    draft.add(
      stateChange(draft.job.state, { kind: "preempt" }, { reason, detail: killed ? SERVER_ENDED : SERVER_STOPPED }),
    );
    draft.add(afterKill(draft.job, reason, poisonKills));
  }
  if (job.pauseAsked !== undefined && draft.job.state.kind === "queued") {
    const by = job.pauseAsked === "" ? {} : { detail: `by ${job.pauseAsked}` };
    draft.add(stateChange(draft.job.state, { kind: "pause" }, { reason: "USER", ...by }));
  }
  return draft.events;
}

/** The events by which a job that was set aside stands in the queue again. */
export function requeueEvents(job: Job, poisonKills?: number): readonly NewJobEvent[] | undefined {
  if (job.state.kind !== "preempted" || job.owner !== undefined) return undefined;
  const reason = job.history.at(-1)?.reason === "WORKER_KILLED" ? "WORKER_KILLED" : "SERVER_RESTART";
  return [afterKill(job, reason, poisonKills)];
}

/** Events that are not written yet, and the job after them. */
class Draft {
  readonly events: NewJobEvent[] = [];
  job: Job;

  constructor(job: Job) {
    this.job = job;
  }

  add(event: NewJobEvent): void {
    this.events.push(event);
    const written: JobEvent = { ...event, sequence: this.job.lastSequence + 1, timeMs: this.job.updatedMs };
    this.job = applyEvent(this.job, written);
  }
}
