import type { MessageInitShape } from "@bufbuild/protobuf";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { JobEventSchema, TrainingService } from "../../gen/albert/v1/training_pb.js";
import type { Job } from "../../jobs/job.ts";
import type { JobEvent } from "../../jobs/job-event.ts";
import type { JobService } from "../../jobs/job-service.ts";
import type { DataSource, JobSpec } from "../../jobs/job-spec.ts";
import type { Datasets } from "../../store/datasets.ts";
import type { ServiceHandlers } from "../call/call.ts";
import { timestamp } from "./conversions.ts";
import { heartbeatMs, withHeartbeats } from "./heartbeats.ts";
import type { JobLimit } from "./job-limit.ts";
import { eventMessage, jobMessage, readJobOverrides, readJobSpec, readStates, STATES } from "./job-messages.ts";
import { pageById, pageOfLog } from "./paging.ts";
import { RUN_FILES } from "./run-files.ts";
import { sweepTable } from "./sweep-messages.ts";

/** Runs training inside the service: every call of `albert.v1.TrainingService`. */
export function trainingService(
  jobs: JobService,
  datasets: Pick<Datasets, "whole">,
  limit: JobLimit,
): ServiceHandlers<typeof TrainingService> {
  /** With whole digests, which a job keeps; callers may give their first digits. */
  const withDigests = async <Spec extends Pick<JobSpec, "train" | "mix" | "eval" | "unlabelled">>(
    spec: Spec,
  ): Promise<Spec> => {
    const whole = async (source: DataSource | undefined, field: string): Promise<DataSource | undefined> =>
      source?.kind === "dataset" ? { ...source, digest: await datasets.whole(source.digest, field) } : source;
    const [train, evaluation, unlabelled] = [
      await whole(spec.train, "spec.train.dataset"),
      await whole(spec.eval, "spec.eval.dataset"),
      await whole(spec.unlabelled, "spec.unlabelled.dataset"),
    ];
    const further = [];
    for (const [i, { source, weight }] of (spec.mix?.further ?? []).entries()) {
      const found = await whole(source, `spec.further_train[${i}].source.dataset`);
      further.push({ source: found ?? source, weight });
    }
    return {
      ...spec,
      ...(train === undefined ? {} : { train }),
      ...(spec.mix === undefined ? {} : { mix: { ...spec.mix, further } }),
      ...(evaluation === undefined ? {} : { eval: evaluation }),
      ...(unlabelled === undefined ? {} : { unlabelled }),
    };
  };
  const told = (job: Job) => jobMessage(job, jobs.silentMs(job.id));
  return {
    async createJob({ requestId, spec }, { caller }) {
      const id = checkRequestId(requestId);
      const checked = await withDigests(readJobSpec(spec));
      const { job, replayed } = await limit.create(caller, id, () => jobs.create(id, checked, caller?.name));
      return { job: told(job), replayed };
    },
    async planJob({ spec }) {
      const plan = await jobs.plan(await withDigests(readJobSpec(spec)));
      return { ...plan, problems: [...plan.problems], settings: [...plan.settings] };
    },
    async getSweep({ jobId }) {
      await jobs.refresh();
      const sweep = jobs.get(jobId);
      return { job: told(sweep), ...sweepTable(sweep, jobs.list(), STATES) };
    },
    async getJob({ jobId }) {
      await jobs.refresh(jobId);
      return { job: told(jobs.get(jobId)) };
    },
    async listJobs({ states, model, tags, pageSize, pageToken }) {
      await jobs.refresh();
      const wanted = readStates(states);
      const filter = { ...(wanted.length === 0 ? {} : { states: wanted }), ...(model === "" ? {} : { model }), tags };
      const { items, nextPageToken } = pageById(jobs.list(filter), ({ id }) => id, { pageSize, pageToken });
      return { jobs: items.map(told), nextPageToken };
    },
    async *watchJob({ jobId, afterSequence, heartbeatSeconds }, { signal, draining }) {
      await jobs.refresh(jobId);
      const events = jobs.watch(jobId, afterSequence, AbortSignal.any([signal, draining]));
      for await (const beat of withHeartbeats(events, heartbeatMs(heartbeatSeconds))) {
        yield beat.kind === "heartbeat"
          ? { update: { case: "heartbeat", value: timestamp(beat.timeMs) } }
          : { update: { case: "event", value: eventMessage(beat.value) } };
      }
    },
    async cancelJob({ jobId }, { caller }) {
      await jobs.refresh(jobId);
      return { job: told(await jobs.cancel(jobId, caller?.name)) };
    },
    async pauseJob({ jobId }, { caller }) {
      await jobs.refresh(jobId);
      return { job: told(await jobs.pause(jobId, caller?.name)) };
    },
    async resumeJob({ jobId }, { caller }) {
      await jobs.refresh(jobId);
      return { job: told(await jobs.resume(jobId, caller?.name)) };
    },
    async cloneJob({ requestId, jobId, overrides }, { caller }) {
      await jobs.refresh(jobId);
      const changes = await withDigests(readJobOverrides(overrides));
      const id = checkRequestId(requestId);
      const { job } = await limit.create(caller, id, () => jobs.clone(id, jobId, changes, caller?.name));
      return { job: told(job) };
    },
    async deleteJob({ jobId }) {
      await jobs.refresh();
      await jobs.delete(jobId);
      return {};
    },
    async annotateJob({ jobId, note, addTags, removeTags, revision }, { caller }) {
      await jobs.refresh(jobId);
      const change = {
        ...{ addTags, removeTags },
        ...(note === undefined ? {} : { note }),
        ...(revision === undefined ? {} : { revision }),
      };
      return { job: told(await jobs.annotate(jobId, change, caller?.name)) };
    },
    async *exportRuns({ jobIds, format }) {
      const ids = checkRuns(jobIds);
      const write = RUN_FILES[format];
      if (write === undefined) throw invalidInput([{ field: "format", description: `has no value ${format}` }]);
      await jobs.refresh();
      const runs = ids.map((id) => jobs.get(id));
      for await (const data of write(
        runs.map((job) => ({ job, events: eventsBetween(jobs, job.id, 1, job.lastSequence) })),
      ))
        yield { data };
    },
    async listJobEvents({ jobId, pageSize, pageToken }) {
      await jobs.refresh(jobId);
      const { first, last, nextPageToken } = pageOfLog(jobs.get(jobId).lastSequence, { pageSize, pageToken });
      const events: MessageInitShape<typeof JobEventSchema>[] = [];
      for await (const event of eventsBetween(jobs, jobId, first, last)) events.push(eventMessage(event));
      return { events, nextPageToken };
    },
  };
}

/** Events of a job's log by number, of those that there are; none where the first is after the last. */
async function* eventsBetween(
  jobs: Pick<JobService, "watch">,
  jobId: string,
  first: number,
  last: number,
): AsyncGenerator<JobEvent> {
  if (last < first) return;
  for await (const event of jobs.watch(jobId, first - 1)) {
    yield event;
    if (event.sequence === last) return;
  }
}

/** Curves of so many jobs go into one file. */
const MOST_RUNS = 100;

function checkRuns(jobIds: readonly string[]): readonly string[] {
  const ids = [...new Set(jobIds)];
  if (ids.length > 0 && ids.length <= MOST_RUNS) return ids;
  throw invalidInput([{ field: "job_ids", description: `must name 1 to ${MOST_RUNS} jobs, got ${ids.length}` }]);
}

const LONGEST_REQUEST_ID = 128;

function checkRequestId(requestId: string): string {
  const violations: FieldViolation[] = [];
  if (requestId === "")
    violations.push({ field: "request_id", description: "is missing; choose one for each new job" });
  if (requestId.length > LONGEST_REQUEST_ID) {
    violations.push({ field: "request_id", description: `must have at most ${LONGEST_REQUEST_ID} characters` });
  }
  if (violations.length > 0) throw invalidInput(violations);
  return requestId;
}
