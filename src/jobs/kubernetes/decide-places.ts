import type { Job } from "../job.ts";
import type { NewJobEvent } from "../job-event.ts";
import { allows, isTerminal } from "../job-state.ts";
import { stateChange } from "../log/job-record.ts";
import { nextJob, type QueueRules, restingSweeps } from "../next-job.ts";
import { releaseEvents } from "../shared/claims.ts";
import { type ClusterJob, type ClusterObjects, type ClusterPod, JOB_LABEL } from "./cluster.ts";
import { nameOf } from "./job-template.ts";
import { endOf, type Fate, fateOf, hasEnded } from "./pod-fate.ts";

// Decides what is to be done so that each job that waits or is at work has its Job in the cluster, and nothing else has one. Pure: what
// it decides follows from the logs of the jobs and the objects of the cluster, so any server comes to the same, and can do it again.

export type Move =
  | { readonly kind: "create"; readonly job: Job }
  /** Of no job that is known; whether there is one is to be asked of the store. */
  | { readonly kind: "remove-orphan"; readonly place: ClusterJob; readonly jobId: string }
  | { readonly kind: "remove"; readonly place: ClusterJob }
  /** Something is to be written into a job's log, as it then stands. */
  | { readonly kind: "write"; readonly job: Job; readonly decide: (job: Job) => readonly NewJobEvent[] | undefined };

export interface PlaceRules extends Pick<QueueRules, "clock" | "atWorkPerSubmitter"> {
  /** Begins the name of every Job of the queue. */
  readonly queue: string;
  /** A LocalQueue of Kueue; empty for none. */
  readonly kueue: string;
  /** Jobs in the cluster at a time that are not over; 0: any number. */
  readonly most: number;
  /** Jobs that the cluster refused a moment ago. */
  readonly except: ReadonlySet<string>;
  /** Generations of the claims that were known before the cluster was read, by job: of these owners a pod was there then, if it is alive. */
  readonly knownClaims: ReadonlyMap<string, number>;
  readonly poisonKills?: number | undefined;
}

/** A job that has ended has its pod end by itself; after so long, in milliseconds, it is removed. */
const ENDING_MS = 60_000;

export function decidePlaces(jobs: readonly Job[], objects: ClusterObjects, rules: PlaceRules): Move[] {
  const known = new Map(jobs.map((job) => [job.id, job]));
  const resting = restingSweeps(jobs);
  const moves: Move[] = [];
  /** Jobs that have their place, by id. */
  const placed = new Set<string>();
  let atOnce = 0;
  for (const place of objects.jobs) {
    const end = endOf(place);
    if (end === undefined) atOnce++;
    if (place.metadata.deletionTimestamp !== undefined) {
      placed.add(placedId(place, known, rules)); // another of its name cannot be made yet
      continue;
    }
    const jobId = place.metadata.labels?.[JOB_LABEL] ?? "";
    const job = known.get(jobId);
    if (job === undefined) {
      moves.push({ kind: "remove-orphan", place, jobId });
      continue;
    }
    const isPresent = nameOf(job, rules.queue) === place.metadata.name;
    if (!isPresent || !isWanted(job, resting)) {
      const isEnding = isPresent && isTerminal(job.state) && job.state.kind !== "cancelled";
      const isLate = rules.clock() - job.updatedMs > ENDING_MS;
      if (end === undefined && (!isEnding || isLate)) moves.push({ kind: "remove", place });
      continue;
    }
    placed.add(jobId);
    const pods = objects.pods.filter(
      ({ metadata }) =>
        metadata.labels?.["batch.kubernetes.io/job-name"] === place.metadata.name ||
        metadata.labels?.["job-name"] === place.metadata.name,
    );
    if (end === "complete") {
      // Its pod ended well, and yet the job is to be worked on: somebody changed it in that moment.
      if (job.owner === undefined) moves.push({ kind: "remove", place });
    } else if (end !== undefined) moves.push(...giveUp(job, end, pods, rules));
    else moves.push(...follow(job, place, pods, rules));
  }
  for (const job of jobs) moves.push(...release(job, objects, rules));
  moves.push(...begin(jobs, placed, atOnce, rules));
  return moves;
}

/** Whether a pod is to be there for a job: it waits, is at work, or is being stopped by whoever works on it. */
function isWanted({ spec, state, owner }: Job, resting: ReadonlySet<string>): boolean {
  if (isTerminal(state) || state.kind === "paused" || state.kind === "held") return false;
  return owner !== undefined || !resting.has(spec.trial?.sweep ?? "");
}

function placedId(place: ClusterJob, known: ReadonlyMap<string, Job>, { queue }: PlaceRules): string {
  const jobId = place.metadata.labels?.[JOB_LABEL] ?? "";
  const job = known.get(jobId);
  return job !== undefined && nameOf(job, queue) === place.metadata.name ? jobId : "";
}

/** Creates Jobs for those whose turn it is, as far as there may be more. */
function begin(jobs: readonly Job[], placed: ReadonlySet<string>, atOnce: number, rules: PlaceRules): Move[] {
  const { most, except, clock, atWorkPerSubmitter } = rules;
  const taken = new Set(placed);
  const moves: Move[] = [];
  while (most === 0 || atOnce + moves.length < most) {
    // What has a place counts as work of its submitter.
    const seen = jobs.map((job) => (taken.has(job.id) && job.owner === undefined ? { ...job, owner: PLACED } : job));
    const job = nextJob(seen, { clock, ...(atWorkPerSubmitter === undefined ? {} : { atWorkPerSubmitter }), except });
    if (job === undefined) break;
    taken.add(job.id);
    moves.push({ kind: "create", job });
  }
  return moves;
}

const PLACED = { trainer: "", host: "" };

/** Tells of a Job that is not over. */
function follow(job: Job, place: ClusterJob, pods: readonly ClusterPod[], rules: PlaceRules): Move[] {
  const newest = [...pods].sort((a, b) => createdMs(b) - createdMs(a))[0];
  const moves: Move[] = [];
  if (place.spec?.suspend === true && newest === undefined) {
    const summary =
      rules.kueue === "" ? "its Job is suspended" : `its Job waits in the queue ${rules.kueue} of Kueue to be let in`;
    moves.push(...tell(job, place, undefined, { reason: "Suspended", summary }));
  }
  const fate = newest === undefined ? undefined : fateOf(newest);
  if (newest !== undefined && fate !== undefined) moves.push(...tell(job, place, newest, fate));
  return moves;
}

/** Ends the claim of a pod that is no more, without waiting for its lease. */
function release(job: Job, { pods }: ClusterObjects, { queue, knownClaims, poisonKills }: PlaceRules): Move[] {
  const { id, owner, generation = 0 } = job;
  if (owner === undefined || !isPodOf(owner.trainer, nameOf(job, queue))) return [];
  const pod = pods.find(({ metadata }) => metadata.name === owner.trainer);
  const isGone = pod === undefined ? knownClaims.get(id) === generation : hasEnded(pod);
  if (!isGone) return [];
  const why = pod === undefined ? "its pod was removed" : (fateOf(pod)?.summary ?? "its pod ended");
  const decide = (now: Job) => releaseEvents(now, generation, { why, killed: true }, poisonKills);
  return [{ kind: "write", job, decide }];
}

/** Whether a claim is that of a pod of a Job: pods claim in their own names. */
export function isPodOf(trainer: string, place: string): boolean {
  return trainer.startsWith(`${place}-`);
}

/** A job whose Job the cluster has given up fails, and says of what. */
function giveUp(
  job: Job,
  { reason: how, summary: said }: Fate,
  pods: readonly ClusterPod[],
  rules: PlaceRules,
): Move[] {
  const last = [...pods].sort((a, b) => createdMs(b) - createdMs(a)).find((pod) => fateOf(pod) !== undefined);
  const cause = last === undefined ? undefined : fateOf(last);
  const name = nameOf(job, rules.queue);
  const isLate = how === "DeadlineExceeded";
  const message = isLate
    ? `its Job ${name} took longer than its activeDeadlineSeconds: ${said}`
    : `its Job ${name} was given up (${how}: ${said})${cause === undefined ? "" : `; the last time ${cause.summary}`}; find the reason, then resume it`;
  const reason = isLate ? "DEADLINE" : "POISON";
  const decide = (now: Job): readonly NewJobEvent[] | undefined => {
    if (now.owner !== undefined) {
      // First its claim ends: that of a pod of this Job, for another server may have taken it.
      if (!isPodOf(now.owner.trainer, name)) return undefined;
      return releaseEvents(now, now.generation ?? 0, { why: said, killed: false }, rules.poisonKills);
    }
    const failed = { kind: "fail", reason, message } as const;
    if (nameOf(now, rules.queue) !== name || !allows(now.state, failed)) return undefined;
    return [stateChange(now.state, failed, { reason, detail: message })];
  };
  return [{ kind: "write", job, decide }];
}

/** Writes what became of a Job or its pod into the job's log, once. */
function tell(job: Job, place: ClusterJob, pod: ClusterPod | undefined, fate: Fate): Move[] {
  const event = podEvent(place.metadata.name, pod?.metadata.name, fate);
  const isTold = (now: Job) => isTerminal(now.state) || now.pod === event.detail["mark"];
  if (isTold(job)) return [];
  return [{ kind: "write", job, decide: (now) => (isTold(now) ? undefined : [event]) }];
}

/** What a job's log tells of its Job or its pod. Its mark is the same as long as there is nothing new to tell. */
export function podEvent(place: string, pod: string | undefined, { reason, summary }: Fate) {
  const mark = `${reason} ${pod ?? place}`;
  return { kind: "pod", summary, detail: { job: place, ...(pod === undefined ? {} : { pod }), reason, mark } } as const;
}

function createdMs({ metadata }: ClusterPod): number {
  return new Date(metadata.creationTimestamp ?? 0).getTime();
}
