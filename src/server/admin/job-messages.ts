import type { MessageInitShape } from "@bufbuild/protobuf";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import {
  type DataSource as DataSourceMessage,
  type JobEventSchema,
  JobKind,
  type JobSchema,
  type JobSpec as JobSpecMessage,
  type JobSpecSchema,
  JobState,
  type ProgressSchema,
  PromotePolicy,
  type TransitionSchema,
} from "../../gen/albert/v1/training_pb.js";
import type { Job } from "../../jobs/job.ts";
import type { JobEvent, JobProgress, StateChange } from "../../jobs/job-event.ts";
import type { DataSource, JobSpec } from "../../jobs/job-spec.ts";
import { isTerminal, type JobStateKind } from "../../jobs/job-state.ts";
import { timestamp } from "./conversions.ts";
import { readSweep, sweepSpecMessage } from "./sweep-messages.ts";

// Converts jobs, their specifications and events from and to messages.

const KINDS = {
  [JobKind.FINE_TUNE]: "fine-tune",
  [JobKind.DISTIL]: "distil",
  [JobKind.PRETRAIN]: "pretrain",
  [JobKind.EVALUATE]: "evaluate",
  [JobKind.CONVERT]: "convert",
  [JobKind.CALIBRATE]: "calibrate",
  [JobKind.QUANTISE]: "quantise",
  [JobKind.SWEEP]: "sweep",
  [JobKind.TRAIN_VOCABULARY]: "train-vocabulary",
  [JobKind.PRETRAINING_DATA]: "pretraining-data",
} as const;

const POLICIES = {
  [PromotePolicy.UNSPECIFIED]: "manual",
  [PromotePolicy.MANUAL]: "manual",
  [PromotePolicy.AUTO_IF_BETTER]: "auto-if-better",
} as const;

/** States as messages name them. */
export const STATES: Readonly<Record<JobStateKind, JobState>> = {
  queued: JobState.QUEUED,
  validating: JobState.VALIDATING,
  preparing: JobState.PREPARING,
  running: JobState.RUNNING,
  evaluating: JobState.EVALUATING,
  paused: JobState.PAUSED,
  held: JobState.HELD,
  preempted: JobState.PREEMPTED,
  cancelling: JobState.CANCELLING,
  succeeded: JobState.SUCCEEDED,
  failed: JobState.FAILED,
  rejected: JobState.REJECTED,
  cancelled: JobState.CANCELLED,
};

/** What a specification may hold of what its caller makes up: it is kept for ever, and shown to everybody who may see the job. */
const MOST_ENTRIES = { labels: 64, recipe: 256 } as const;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 1024;

/** Notes maps of a specification, and texts, that are larger than anything that is meant. */
function checkSizes(message: JobSpecMessage, violations: FieldViolation[]): void {
  for (const [field, most] of Object.entries(MOST_ENTRIES)) {
    const entries = Object.entries(message[field as keyof typeof MOST_ENTRIES]);
    if (entries.length > most)
      violations.push({ field: `spec.${field}`, description: `must hold at most ${most} entries` });
    if (entries.some(([key, value]) => key.length > LONGEST_KEY || value.length > LONGEST_VALUE)) {
      const description = `must have keys of at most ${LONGEST_KEY} characters and values of at most ${LONGEST_VALUE}`;
      violations.push({ field: `spec.${field}`, description });
    }
  }
  for (const field of ["model", "task", "init", "teacher"] as const) {
    if (message[field].length > LONGEST_VALUE) {
      violations.push({ field: `spec.${field}`, description: `must have at most ${LONGEST_VALUE} characters` });
    }
  }
}

/**
 * The specification a message describes.
 *
 * @throws AlbertError invalid-input with every wrong field, as paths below `spec`
 */
export function readJobSpec(message: JobSpecMessage | undefined): JobSpec {
  if (message === undefined) throw invalidInput([{ field: "spec", description: "is missing" }]);
  const violations: FieldViolation[] = [];
  const kind = member(KINDS, message.kind, "spec.kind", violations);
  const promote = member(POLICIES, message.promote, "spec.promote", violations);
  const train = readSource(message.train, "spec.train", violations);
  const evaluation = readSource(message.eval, "spec.eval", violations);
  const unlabelled = readSource(message.unlabelled, "spec.unlabelled", violations);
  const mix = readMix(message, violations);
  const sweep = readSweep(message.sweep, violations);
  if (message.trial !== undefined) {
    violations.push({ field: "spec.trial", description: "is set by a sweep, of the jobs that it makes: leave it out" });
  }
  checkSizes(message, violations);
  if (message.seed > BigInt(Number.MAX_SAFE_INTEGER)) {
    violations.push({ field: "spec.seed", description: `must be at most ${Number.MAX_SAFE_INTEGER}` });
  }
  if (!(message.maxWallSeconds >= 0)) {
    violations.push({
      field: "spec.max_wall_seconds",
      description: `must be 0 or more, got ${message.maxWallSeconds}`,
    });
  }
  if (violations.length > 0 || kind === undefined || promote === undefined) throw invalidInput(violations);
  const { model, task, init, teacher, recipe, priority, maxWallSeconds, maxSteps, labels } = message;
  return {
    kind,
    model,
    task,
    init,
    ...(teacher === "" ? {} : { teacher }),
    ...(train === undefined ? {} : { train }),
    ...mix,
    ...(sweep === undefined ? {} : { sweep }),
    ...(evaluation === undefined ? {} : { eval: evaluation }),
    ...(unlabelled === undefined ? {} : { unlabelled }),
    recipe: { ...recipe },
    seed: Number(message.seed),
    promote,
    priority,
    maxWallSeconds,
    maxSteps,
    labels: { ...labels },
  };
}

/** Most further files of one job. */
const MOST_SOURCES = 64;

function readMix({ furtherTrain, trainWeight }: JobSpecMessage, violations: FieldViolation[]): Pick<JobSpec, "mix"> {
  if (furtherTrain.length === 0 && trainWeight === 0) return {};
  if (furtherTrain.length > MOST_SOURCES) {
    violations.push({ field: "spec.further_train", description: `must hold at most ${MOST_SOURCES} entries` });
    return {};
  }
  const further = furtherTrain.flatMap(({ source, weight }, i) => {
    const field = `spec.further_train[${i}].source`;
    const read = readSource(source, field, violations);
    if (source === undefined) violations.push({ field, description: "is missing" });
    return read === undefined ? [] : [{ source: read, weight: weight || 1 }];
  });
  return { mix: { weight: trainWeight || 1, further } };
}

/** The fields of an overriding specification that were set. */
export function readJobOverrides(message: JobSpecMessage | undefined): Partial<JobSpec> {
  if (message === undefined) return {};
  // Absent numbers and enums arrive as 0, absent texts as "": such fields do not override.
  const whole = readJobSpec({ ...message, kind: message.kind === 0 ? JobKind.FINE_TUNE : message.kind });
  const given = Object.entries(whole).filter(([name, value]) => {
    if (name === "kind") return message.kind !== JobKind.UNSPECIFIED;
    if (name === "promote") return message.promote !== PromotePolicy.UNSPECIFIED;
    return value !== "" && value !== 0;
  });
  return Object.fromEntries(given) as Partial<JobSpec>; // entries of a JobSpec
}

/** One source of rows. @returns undefined for none, or for a wrong one, which is noted */
export function readSource(
  message: DataSourceMessage | undefined,
  field: string,
  violations: FieldViolation[],
): DataSource | undefined {
  if (message === undefined) return undefined;
  const { dataset, path } = message;
  if ((dataset === "") === (path === "")) {
    violations.push({ field, description: "give either a dataset or a path" });
    return undefined;
  }
  return dataset === "" ? { kind: "path", path } : { kind: "dataset", digest: dataset };
}

/** A job as a message. @param silentMs  since a sign of life of its owner was seen, where that is known */
export function jobMessage(job: Job, silentMs?: number): MessageInitShape<typeof JobSchema> {
  const { state, owner, generation = 0 } = job;
  return {
    id: job.id,
    spec: specMessage(job.spec),
    state: STATES[state.kind],
    terminal: isTerminal(state),
    activity: job.activity,
    history: job.history.map(transitionMessage),
    progress: progressMessage(job.progress),
    created: timestamp(job.createdMs),
    updated: timestamp(job.updatedMs),
    lastSequence: job.lastSequence,
    modelVersion: job.modelVersion,
    dataset: job.dataset,
    stoppedBy: state.kind === "succeeded" ? (state.result.stoppedBy ?? "") : "",
    gateReportJson: job.gateReport,
    notPromoted: job.notPromoted,
    findings: [...job.findings],
    note: job.annotation.note,
    tags: [...job.annotation.tags],
    annotationRevision: job.annotation.revision,
    ...(owner === undefined
      ? {}
      : {
          owner: {
            ...{ server: owner.trainer, host: owner.host, generation },
            ...(silentMs === undefined ? {} : { silentSeconds: silentMs / 1000 }),
          },
        }),
  };
}

export function eventMessage(event: JobEvent): MessageInitShape<typeof JobEventSchema> {
  const { sequence, timeMs, kind, summary, transition, progress, detail } = event;
  return {
    sequence,
    time: timestamp(timeMs),
    kind,
    summary,
    ...(transition === undefined ? {} : { transition: transitionMessage({ ...transition, timeMs }) }),
    ...(progress === undefined ? {} : { progress: progressMessage(progress) }),
    detailJson: detail === undefined ? "" : JSON.stringify(detail),
  };
}

/** The states of a request as the jobs room names them. */
export function readStates(states: readonly JobState[]): JobStateKind[] {
  return states.map((state) => {
    const known = (Object.keys(STATES) as JobStateKind[]).find((kind) => STATES[kind] === state);
    if (known === undefined) throw invalidInput([{ field: "states", description: `has no value ${state}` }]);
    return known;
  });
}

function specMessage(spec: JobSpec): MessageInitShape<typeof JobSpecSchema> {
  const kinds = [
    JobKind.FINE_TUNE,
    JobKind.DISTIL,
    JobKind.PRETRAIN,
    JobKind.EVALUATE,
    JobKind.CONVERT,
    JobKind.CALIBRATE,
    JobKind.QUANTISE,
    JobKind.SWEEP,
    JobKind.TRAIN_VOCABULARY,
    JobKind.PRETRAINING_DATA,
  ] as const;
  const kind = kinds.find((candidate) => KINDS[candidate] === spec.kind) ?? JobKind.UNSPECIFIED;
  const source = (data: DataSource) => (data.kind === "dataset" ? { dataset: data.digest } : { path: data.path });
  return {
    kind,
    model: spec.model,
    task: spec.task,
    init: spec.init,
    teacher: spec.teacher ?? "",
    ...(spec.train === undefined ? {} : { train: source(spec.train) }),
    ...(spec.mix === undefined
      ? {}
      : {
          trainWeight: spec.mix.weight,
          furtherTrain: spec.mix.further.map((part) => ({ source: source(part.source), weight: part.weight })),
        }),
    ...(spec.eval === undefined ? {} : { eval: source(spec.eval) }),
    ...(spec.unlabelled === undefined ? {} : { unlabelled: source(spec.unlabelled) }),
    recipe: { ...spec.recipe },
    seed: BigInt(spec.seed),
    promote: spec.promote === "manual" ? PromotePolicy.MANUAL : PromotePolicy.AUTO_IF_BETTER,
    priority: spec.priority,
    maxWallSeconds: spec.maxWallSeconds,
    maxSteps: spec.maxSteps,
    labels: { ...spec.labels },
    ...(spec.sweep === undefined ? {} : { sweep: sweepSpecMessage(spec.sweep) }),
    ...(spec.trial === undefined ? {} : { trial: { sweepId: spec.trial.sweep, number: spec.trial.number } }),
  };
}

function transitionMessage(
  transition: StateChange & { readonly timeMs: number },
): MessageInitShape<typeof TransitionSchema> {
  return {
    from: transition.from === undefined ? JobState.UNSPECIFIED : STATES[transition.from],
    to: STATES[transition.to.kind],
    time: timestamp(transition.timeMs),
    reason: transition.reason ?? "",
    detail: transition.detail ?? "",
  };
}

function progressMessage(progress: Partial<JobProgress>): MessageInitShape<typeof ProgressSchema> {
  const { metrics, ...numbers } = progress;
  return { ...numbers, metrics: { ...metrics } };
}

function member<T>(
  table: Readonly<Record<number, T>>,
  value: number,
  field: string,
  violations: FieldViolation[],
): T | undefined {
  const found = table[value];
  if (found === undefined) violations.push({ field, description: `has no value ${value}` });
  return found;
}
