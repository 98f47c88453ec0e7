import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { Job } from "../job.ts";
import { JOB_LABEL, KUEUE_LABEL, QUEUE_LABEL } from "./cluster.ts";

// Makes the `batch/v1` Job of a job from a template that whoever runs the cluster wrote.

type Json = Readonly<Record<string, unknown>>;

/** A `batch/v1` Job that is no job's yet: everything that the cluster must know of a pod, and nothing of what it works on. */
export type JobTemplate = Json & { readonly metadata?: Json; readonly spec: Json & { readonly template: PodTemplate } };
type PodTemplate = Json & { readonly metadata?: Json; readonly spec: Json & { readonly containers: readonly Json[] } };

/** What the Job of a job is called, and by whom it is let in. */
export interface JobNames {
  /** Begins the name of every Job of the queue. */
  readonly queue: string;
  /** A LocalQueue of Kueue; empty for none. */
  readonly kueue: string;
}

/** The container that works on the job, where a template has several. */
const CONTAINER = "albert";
/** Exit status of a pod that was told to end and has set its job aside; see `albert run-job`. */
const SET_ASIDE_STATUS = 143;
/** Times that a pod may fail before its job does: the default of Kubernetes. */
const BACKOFF_LIMIT = 6;
/** A Job that is over stays for a day, so that its pods' logs can be read, in seconds. */
const KEPT_S = 86_400;
const NAME_VARIABLE = "POD_NAME";

/**
 * Checks a template.
 *
 * @param knows  the value as a cluster would understand it: without the fields that no Job has
 * @throws AlbertError invalid-input (FIELD_INVALID) with everything that is wrong with it
 */
export function checkTemplate(value: Json, knows: (value: Json) => unknown): JobTemplate {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) => violations.push({ field, description });
  const expect = (field: string, expected: string, found: unknown) => {
    if (found !== expected) refuse(field, `expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`);
  };
  expect("apiVersion", "batch/v1", value["apiVersion"]);
  expect("kind", "Job", value["kind"]);
  if (violations.length > 0) throw invalidInput(violations);
  const spec = objectOf(value["spec"]);
  const pod = objectOf(objectOf(spec?.["template"])?.["spec"]);
  const containers = pod?.["containers"];
  if (spec === undefined || pod === undefined || !Array.isArray(containers) || containers.length === 0) {
    refuse("spec.template.spec.containers", "expected at least one container: the one that works on a job");
    throw invalidInput(violations);
  }
  const at = indexOfWorker(containers);
  const container = objectOf(containers[at]) ?? {};
  const path = `spec.template.spec.containers[${at}]`;
  if (typeof container["image"] !== "string" || container["image"] === "")
    refuse(`${path}.image`, "is missing: the image of this program");
  if (typeof container["name"] !== "string") refuse(`${path}.name`, "is missing: a name for the container");
  if (container["args"] !== undefined)
    refuse(`${path}.args`, "leave it out: the arguments are those that make it work on a job");
  for (const count of ["parallelism", "completions"]) {
    if (spec[count] !== undefined && spec[count] !== 1)
      refuse(`spec.${count}`, `expected 1 or nothing, got ${JSON.stringify(spec[count])}: one pod works on a job`);
  }
  if (spec["suspend"] !== undefined)
    refuse("spec.suspend", "leave it out: jobs.kubernetes_queue says whether a queue lets the Jobs begin");
  const policy = pod["restartPolicy"];
  if (policy !== undefined && policy !== "Never" && policy !== "OnFailure")
    refuse("spec.template.spec.restartPolicy", `expected Never or OnFailure, got ${JSON.stringify(policy)}`);
  for (const field of unknownFields(value, knows(value))) refuse(field, "is no field of a batch/v1 Job");
  if (violations.length > 0) throw invalidInput(violations);
  return value as JobTemplate;
}

/**
 * How often a person or its sweep had a job begin again that had come to rest. Each time it gets a Job of another name: the one before
 * is over, or about to be.
 */
function turnOf({ history }: Job): number {
  return history.filter(({ from, to }) => to.kind === "queued" && ["paused", "failed", "held"].includes(from ?? ""))
    .length;
}

/** The name of a job's present Job: the same for every server that makes it, so that there is one. At most 63 characters. */
export function nameOf(job: Job, queue: string): string {
  const turn = turnOf(job);
  return `${queue}-${job.id}${turn === 0 ? "" : `-${turn}`}`;
}

/** The Job of a job. */
export function manifestOf(template: JobTemplate, job: Job, { queue, kueue }: JobNames): Json {
  const { metadata = {}, spec } = template;
  const { metadata: podMetadata = {}, spec: pod } = spec.template;
  const own = { [QUEUE_LABEL]: queue, [JOB_LABEL]: job.id };
  const told = { "albert-serve/kind": job.spec.kind, "albert-serve/model": job.spec.model };
  const labelled = (meta: Json, labels: Json) => ({
    ...meta,
    labels: { ...objectOf(meta["labels"]), ...labels },
    annotations: { ...objectOf(meta["annotations"]), ...told },
  });
  const at = indexOfWorker(pod.containers);
  const container = workerOf(pod.containers[at]!, job.id);
  const never = { restartPolicy: "Never", ...pod };
  return {
    ...template,
    metadata: {
      ...labelled(metadata, { ...own, ...(kueue === "" ? {} : { [KUEUE_LABEL]: kueue }) }),
      name: nameOf(job, queue),
    },
    spec: {
      ...{ backoffLimit: BACKOFF_LIMIT, ttlSecondsAfterFinished: KEPT_S },
      ...(never.restartPolicy === "Never" ? { podFailurePolicy: failurePolicy(String(container["name"])) } : {}),
      ...spec,
      ...(kueue === "" ? {} : { suspend: true }),
      template: {
        ...spec.template,
        metadata: labelled(podMetadata, own),
        spec: { ...never, containers: pod.containers.map((other, i) => (i === at ? container : other)) },
      },
    },
  };
}

/** What a pod did not bring upon itself, evictions say, counts for no failure; nor does one that has set its job aside when it was told to end. */
function failurePolicy(containerName: string): Json {
  return {
    rules: [
      { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
      { action: "Ignore", onExitCodes: { containerName, operator: "In", values: [SET_ASIDE_STATUS] } },
    ],
  };
}

/** The container that takes the job by a claim in the name of its pod, and whose last words the pod's status keeps. */
function workerOf(container: Json, jobId: string): Json {
  const env = Array.isArray(container["env"]) ? container["env"] : [];
  return {
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...container,
    args: ["run-job", jobId, "--trainer", `$(${NAME_VARIABLE})`],
    env: [...env, { name: NAME_VARIABLE, valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  };
}

function indexOfWorker(containers: readonly unknown[]): number {
  return Math.max(
    0,
    containers.findIndex((container) => objectOf(container)?.["name"] === CONTAINER),
  );
}

/** Paths of the fields that are in a value and not in what was understood of it. */
function unknownFields(value: unknown, understood: unknown, path = ""): string[] {
  if (Array.isArray(value)) {
    const others: readonly unknown[] = Array.isArray(understood) ? understood : [];
    return value.flatMap((each, i) => unknownFields(each, others[i], `${path}[${i}]`));
  }
  const object = objectOf(value);
  const other = objectOf(understood);
  if (object === undefined || other === undefined) return [];
  return Object.entries(object).flatMap(([name, inner]) => {
    const here = path === "" ? name : `${path}.${name}`;
    return other[name] === undefined && inner !== undefined && inner !== null
      ? [here]
      : unknownFields(inner, other[name], here);
  });
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}
