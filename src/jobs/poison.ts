import type { JobReason } from "./job-state.ts";
import type { JobRecord } from "./log/job-record.ts";

// Decides whether a job whose server or process was killed goes on by itself.

/** Kills in a row, none with a step between them, after which a job seems to be what kills. */
const POISON_KILLS = 2;

/** Queues a job again that stood aside, unless it seems to be what kills its server or its process. */
export async function resumeUnlessPoison(
  record: JobRecord,
  resumeReason: Extract<JobReason, "SERVER_RESTART" | "WORKER_KILLED">,
  poisonKills: number = POISON_KILLS,
): Promise<void> {
  const { killedServers } = record.job;
  if (killedServers < poisonKills) {
    await record.transition({ kind: "resume" }, { reason: resumeReason });
    return;
  }
  const reason = "POISON";
  const message =
    `the server or the job's process was killed ${killedServers} times in a row while this job was at work and took no ` +
    "step, so it is not begun again by itself; find the reason (memory limit, data) in the server's log, then resume it";
  await record.transition({ kind: "fail", reason, message }, { reason, detail: message });
}
