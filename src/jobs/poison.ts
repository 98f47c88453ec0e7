import type { Job } from "./job.ts";
import type { NewJobEvent } from "./job-event.ts";
import type { JobReason } from "./job-state.ts";
import { type JobWriter, stateChange } from "./log/job-record.ts";

// Decides whether a job whose server or process was killed goes on by itself.

/** Kills in a row, none with a step between them, after which a job seems to be what kills. */
const POISON_KILLS = 2;

type ResumeReason = Extract<JobReason, "SERVER_RESTART" | "WORKER_KILLED">;

/** Queues a job again that stood aside, unless it seems to be what kills its server or its process. */
export async function resumeUnlessPoison(
  record: JobWriter,
  resumeReason: ResumeReason,
  poisonKills?: number,
): Promise<void> {
  await record.append(afterKill(record.job, resumeReason, poisonKills));
}

/** The event that queues a job again which stands aside, or gives it up where it seems to be what kills. */
export function afterKill(job: Job, resumeReason: ResumeReason, poisonKills: number = POISON_KILLS): NewJobEvent {
  const { killedServers, state } = job;
  if (killedServers < poisonKills) return stateChange(state, { kind: "resume" }, { reason: resumeReason });
  const reason = "POISON";
  const message =
    `the server or the job's process was killed ${killedServers} times in a row while this job was at work and took no ` +
    "step, so it is not begun again by itself; find the reason (memory limit, data) in the server's log, then resume it";
  return stateChange(state, { kind: "fail", reason, message }, { reason, detail: message });
}
