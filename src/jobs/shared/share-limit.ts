import { creatorOf, type Job } from "../job.ts";
import { isAtWork } from "../next-job.ts";

// How servers hold a submitter to its jobs at work, exactly, though each job has a log of its own and no write joins two of them.

/**
 * What a server does with a job that it has just claimed and not begun, when it has read the logs of all jobs since its claim stood:
 *
 * - "begin": the submitter has room for it. Whoever claims later reads this claim, and counts it.
 * - "give-back": others fill the room, or will: those that have begun, and claims of older jobs.
 * - "look-again": younger jobs were claimed at the same time. Their servers give them back, or have found room before this claim stood.
 *
 * So of claims that were made in the same instant at most as many begin as there is room for, and the oldest of them is never given
 * back for one that does not begin.
 */
export type ClaimVerdict = "begin" | "give-back" | "look-again";

/**
 * @param job    claimed by the server that asks; one that has begun already stays where it is
 * @param jobs   all jobs, as read after the claim was written
 * @param limit  jobs of one submitter that may be at work at once; 0 for no bound
 */
export function judgeClaim(job: Job, jobs: readonly Job[], limit: number): ClaimVerdict {
  if (limit === 0 || job.state.kind !== "queued") return "begin";
  const submitter = creatorOf(job);
  const others = jobs.filter((other) => other.id !== job.id && isAtWork(other) && creatorOf(other) === submitter);
  if (others.length < limit) return "begin";
  const ahead = others.filter((other) => other.state.kind !== "queued" || other.id < job.id);
  return ahead.length < limit ? "look-again" : "give-back";
}
