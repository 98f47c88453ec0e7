import { creatorOf, type Job } from "../job.ts";
import type { JobEvent } from "../job-event.ts";
import type { DataSource } from "../job-spec.ts";
import type { Annotation } from "../log/annotation.ts";
import { pointsOf, type RunPart } from "../log/run-curves.ts";
import type { MlflowEntry, MlflowMetric, MlflowStatus, NewMlflowRun } from "./mlflow-client.ts";

// What a tracking server is told of a job: its run, and what each entry of its log adds. Pure.

/** The tag that says which job a run is of; by it a run is found again. */
export const JOB_TAG = "albert.job";
/** The tag that says up to which entry of the job's log the run tells. */
export const SEQUENCE_TAG = "albert.sequence";

/** MLflow's own bounds of keys and, of earlier releases, of values. */
const LONGEST_KEY = 250;
const LONGEST_VALUE = 500;
const LONGEST_TAG_VALUE = 5000;

/** The run that a job is at its beginning. */
export function newRun(job: Job): NewMlflowRun {
  const { id, spec, createdMs, annotation } = job;
  const by = creatorOf(job);
  const labels = Object.entries(spec.labels).map(([name, value]) => tag(`albert.label.${name}`, value));
  return {
    name: `${spec.model === "" ? spec.kind : spec.model} ${id}`,
    startTimeMs: createdMs,
    tags: [
      ...[tag(JOB_TAG, id), tag("albert.kind", spec.kind), tag("albert.model", spec.model)],
      ...(spec.task === "" ? [] : [tag("albert.task", spec.task)]),
      ...(by === undefined ? [] : [tag("mlflow.user", by)]),
      ...[tag("mlflow.source.name", "albert-serve"), tag("mlflow.source.type", "JOB")],
      ...labels,
      ...(annotation.revision === 0 ? [] : annotationTags(annotation)),
    ],
  };
}

/** What was asked for, as parameters. */
export function specParams({ spec }: Job): MlflowEntry[] {
  const { init, train, eval: evaluation, teacher, seed } = spec;
  const given = {
    ...{ init, seed: String(seed), teacher: teacher ?? "" },
    ...{ train: sourceText(train), eval: sourceText(evaluation) },
    ...spec.recipe,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === "" ? [] : [param(name, value)]));
}

/** What one entry of a log adds to a run. */
export interface TrackedEvent {
  readonly metrics: readonly MlflowMetric[];
  readonly params: readonly MlflowEntry[];
  readonly tags: readonly MlflowEntry[];
}

/** @param part  the run that is at work, of several of one job */
export function trackedEvent(event: JobEvent, part: RunPart): TrackedEvent {
  const { kind, detail = {} } = event;
  const metrics = pointsOf(event, part).map(({ curve, step, value, timeMs }) => ({
    ...{ key: keyOf(curve), value, step },
    timestamp: timeMs,
  }));
  switch (kind) {
    case "planned": {
      const settings = (detail["settings"] ?? []) as readonly { readonly name: string; readonly value: unknown }[];
      return { metrics, params: settings.map(({ name, value }) => param(name, String(value))), tags: [] };
    }
    case "annotated":
      return { metrics, params: [], tags: annotationTags(detail as unknown as Annotation) }; // `annotationEvent` wrote it
    case "published":
      return { metrics, params: [], tags: [tag("albert.version", String(detail["version"]))] };
    case "gate_result":
      return { metrics, params: [], tags: [tag("albert.gate", String(detail["verdict"]))] };
    case "promoted":
      return { metrics, params: [], tags: [tag("albert.promoted", "true")] };
    default:
      return { metrics, params: [], tags: [] };
  }
}

/** How a job's run stands. */
export function statusOf({ state }: Job): MlflowStatus {
  switch (state.kind) {
    case "succeeded":
      return "FINISHED";
    case "failed":
    case "rejected":
      return "FAILED";
    case "cancelled":
      return "KILLED";
    default:
      return "RUNNING";
  }
}

function annotationTags({ note, tags }: Annotation): MlflowEntry[] {
  return [tag("mlflow.note.content", note), tag("albert.tags", tags.join(", "))];
}

function sourceText(source: DataSource | undefined): string {
  if (source === undefined) return "";
  return source.kind === "dataset" ? source.digest : source.path;
}

function param(name: string, value: string): MlflowEntry {
  return { key: keyOf(name), value: value.slice(0, LONGEST_VALUE) };
}

function tag(name: string, value: string): MlflowEntry {
  return { key: keyOf(name), value: value.slice(0, LONGEST_TAG_VALUE) };
}

/** A name of letters that MLflow takes. */
function keyOf(name: string): string {
  return name.replaceAll(/[^\w./ -]/g, "_").slice(0, LONGEST_KEY);
}
