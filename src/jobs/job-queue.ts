import type { Job } from "./job.ts";

/** Minutes of waiting that count as one step of priority: nothing waits for ever behind more important jobs. */
const AGEING_MINUTES = 10;

/**
 * The queued job that runs next: the highest priority, raised by waiting; among equals the one that was created first.
 *
 * @param nowMs  milliseconds since 1970
 */
export function nextJob(jobs: Iterable<Job>, nowMs: number): Job | undefined {
  let next: { readonly job: Job; readonly rank: number } | undefined;
  for (const job of jobs) {
    if (job.state.kind !== "queued") continue;
    const rank = job.spec.priority + (nowMs - job.createdMs) / (AGEING_MINUTES * 60_000);
    if (next === undefined || rank > next.rank || (rank === next.rank && job.id < next.job.id)) next = { job, rank };
  }
  return next?.job;
}
