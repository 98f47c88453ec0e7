import { creatorOf, type Job } from "./job.ts";
import { isActive, isTerminal, type JobState } from "./job-state.ts";

// Chooses which of the waiting jobs runs next.

/** Minutes of waiting that count as one step of priority: no job waits forever behind more important ones. */
const AGEING_MINUTES = 10;

export interface QueueRules {
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Jobs of one submitter that may be at work at once; 0: as many as there are servers. */
  readonly atWorkPerSubmitter?: number;
  /** Jobs that this server does not take. */
  readonly except?: ReadonlySet<string>;
}

/**
 * The queued job that runs next, or none. The highest priority goes first, raised by one step for each ten minutes of waiting. Within
 * a step of priority submitters take turns: first whoever has the fewest jobs at work, then whoever had the fewest turns since
 * the oldest waiting job came; and of one submitter's jobs the highest, then the oldest.
 */
export function nextJob(jobs: readonly Job[], { clock, atWorkPerSubmitter = 0, except }: QueueRules): Job | undefined {
  const nowMs = clock();
  const resting = restingSweeps(jobs);
  const waiting = jobs.filter(
    ({ spec, state, owner }) =>
      state.kind === "queued" && owner === undefined && spec.kind !== "sweep" && !resting.has(spec.trial?.sweep ?? ""),
  );
  const sinceMs = Math.min(...waiting.map(({ createdMs }) => createdMs));
  const shares = sharesOf(jobs, sinceMs);
  let next: { readonly job: Job; readonly order: readonly number[] } | undefined;
  for (const job of waiting) {
    if (except?.has(job.id)) continue;
    const { atWork, turns } = shares.get(creatorOf(job)) ?? NO_SHARE;
    if (atWorkPerSubmitter > 0 && atWork >= atWorkPerSubmitter) continue;
    const rank = job.spec.priority + (nowMs - job.createdMs) / (AGEING_MINUTES * 60_000);
    // Smaller goes first.
    const order = [-Math.floor(rank), atWork, turns, -rank];
    const sooner = next === undefined ? -1 : compare(order, next.order);
    if (sooner < 0 || (sooner === 0 && next !== undefined && job.id < next.job.id)) next = { job, order };
  }
  return next?.job;
}

/** Ids of sweeps whose trials do not begin: those of one that is paused wait with it, and of one that ends none begins any more. */
export function restingSweeps(jobs: readonly Job[]): ReadonlySet<string> {
  return new Set(jobs.filter(({ spec, state }) => spec.kind === "sweep" && rests(state)).map(({ id }) => id));
}

function rests(state: JobState): boolean {
  return state.kind === "paused" || state.kind === "cancelling" || isTerminal(state);
}

/** Whether a job counts among those of its submitter that are at work: it is in a server's hands, whatever that server does with it. */
export function isAtWork({ owner, state }: Job): boolean {
  return owner !== undefined || isActive(state) || state.kind === "cancelling";
}

/** What a submitter has and had of the servers. */
interface Share {
  readonly atWork: number;
  readonly turns: number;
}

const NO_SHARE: Share = { atWork: 0, turns: 0 };

function sharesOf(jobs: readonly Job[], sinceMs: number): ReadonlyMap<string | undefined, Share> {
  const shares = new Map<string | undefined, Share>();
  for (const job of jobs) {
    if (job.spec.kind === "sweep") continue;
    const submitter = creatorOf(job);
    const { atWork, turns } = shares.get(submitter) ?? NO_SHARE;
    const begun = job.history.filter(({ to, timeMs }) => to.kind === "validating" && timeMs >= sinceMs).length;
    shares.set(submitter, { atWork: atWork + (isAtWork(job) ? 1 : 0), turns: turns + begun });
  }
  return shares;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
