import { stripVTControlCharacters } from "node:util";
import type { ClusterJob, ClusterPod } from "./cluster.ts";

// Reads from the objects of a cluster how it stands with the pod of a job, in words for whoever waits for the job.

/** How it stands with a Job or a pod, where there is something to tell. */
export interface Fate {
  /** Of the cluster, for programs: ImagePullBackOff, Unschedulable, OOMKilled, Evicted, DeadlineExceeded, ... */
  readonly reason: string;
  /** One readable line. */
  readonly summary: string;
}

/** Reasons of a container that waits in order: for its image, its volumes, the containers before it. */
const IN_ORDER: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);
/** The cluster says one of these in turn while it tries again to get an image. */
const OF_IMAGES: ReadonlySet<string> = new Set(["ErrImagePull", "ImagePullBackOff"]);
/** Longest words of a cluster that are passed on; a pod's last words may have 4,096 characters. */
const MOST_CHARACTERS = 500;

/** Whether a Job is over, and how: completed, or failed, why. */
export function endOf({ status }: ClusterJob): "complete" | Fate | undefined {
  for (const { type, status: isTrue, reason = "", message = "" } of status?.conditions ?? []) {
    if (isTrue !== "True") continue;
    if (type === "Complete") return "complete";
    if (type === "Failed") return { reason, summary: words(message) };
  }
  return undefined;
}

/** Whether a pod has ended, however. */
export function hasEnded({ status }: ClusterPod): boolean {
  return status?.phase === "Failed" || status?.phase === "Succeeded";
}

/** Why a pod does not work, or failed; undefined where it works, ended well, or comes up in order. */
export function fateOf(pod: ClusterPod): Fate | undefined {
  switch (pod.status?.phase) {
    case "Failed":
      return failureOf(pod);
    case "Pending":
      return obstacleOf(pod);
    default:
      return undefined;
  }
}

function obstacleOf({ status = {} }: ClusterPod): Fate | undefined {
  const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False" && scheduled.reason === "Unschedulable") {
    return { reason: "Unschedulable", summary: `its pod waits for a node: ${words(scheduled.message)}` };
  }
  for (const { name, state } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const { reason = "", message } = state?.waiting ?? {};
    if (reason === "" || IN_ORDER.has(reason)) continue;
    if (OF_IMAGES.has(reason)) {
      return { reason: "ImagePullBackOff", summary: `the image of its pod cannot be had: ${words(message, reason)}` };
    }
    return { reason, summary: `container ${name} of its pod cannot start: ${reason}: ${words(message)}` };
  }
  return undefined;
}

function failureOf({ status = {} }: ClusterPod): Fate {
  const disrupted = status.conditions?.find(
    ({ type, status: isTrue }) => type === "DisruptionTarget" && isTrue === "True",
  );
  if (status.reason !== undefined && status.reason !== "") {
    return { reason: status.reason, summary: `its pod ended: ${status.reason}: ${words(status.message)}` };
  }
  if (disrupted !== undefined) {
    const { reason = "Disrupted", message } = disrupted;
    return { reason, summary: `its pod was evicted: ${reason}: ${words(message)}` };
  }
  for (const { name, state } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const { terminated } = state ?? {};
    if (terminated === undefined || terminated.exitCode === 0) continue;
    const { reason = "Error", exitCode, message } = terminated;
    if (reason === "OOMKilled") {
      return { reason, summary: `its pod was killed: container ${name} used more memory than its limit (OOMKilled)` };
    }
    return { reason, summary: `its pod ended with exit status ${exitCode}: ${words(message, reason)}` };
  }
  return { reason: "Failed", summary: "its pod failed, and the cluster says no more" };
}

/** The words of a cluster as one line; of many the last, where what matters stands. */
function words(text: string | undefined, otherwise = "the cluster says no more"): string {
  const line = stripVTControlCharacters(text ?? "")
    .trim()
    .replace(/\s*\n\s*/g, " | ");
  if (line === "") return otherwise;
  return line.length <= MOST_CHARACTERS ? line : `... ${line.slice(-MOST_CHARACTERS)}`;
}
