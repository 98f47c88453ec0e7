import { describe, expect, it } from "vitest";
import type { ClusterPod } from "../../../src/jobs/kubernetes/cluster.ts";
import { endOf, fateOf } from "../../../src/jobs/kubernetes/pod-fate.ts";

type Status = NonNullable<ClusterPod["status"]>;
const waiting = (reason: string, message?: string): Status => ({
  phase: "Pending",
  containerStatuses: [
    { name: "albert", state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } },
  ],
});
const ended = (exitCode: number, reason: string, message?: string): Status => ({
  phase: "Failed",
  containerStatuses: [
    { name: "albert", state: { terminated: { exitCode, reason, ...(message === undefined ? {} : { message }) } } },
  ],
});

describe("what is told of a pod", () => {
  const cases: readonly (readonly [what: string, status: Status, reason: string, summary: string])[] = [
    ["works", { phase: "Running" }, "", ""],
    ["ended well", { phase: "Succeeded" }, "", ""],
    ["gets its image", waiting("ContainerCreating"), "", ""],
    [
      "finds no node",
      {
        phase: "Pending",
        conditions: [
          {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
          },
        ],
      },
      "Unschedulable",
      "its pod waits for a node: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ],
    [
      "waits for a gate of Kueue",
      { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
      "",
      "",
    ],
    [
      "has no image",
      waiting("ErrImagePull", "not found"),
      "ImagePullBackOff",
      "the image of its pod cannot be had: not found",
    ],
    [
      "has no image still",
      waiting("ImagePullBackOff"),
      "ImagePullBackOff",
      "the image of its pod cannot be had: ImagePullBackOff",
    ],
    [
      "lacks a Secret",
      waiting("CreateContainerConfigError", 'secret "s3" not found'),
      "CreateContainerConfigError",
      'container albert of its pod cannot start: CreateContainerConfigError: secret "s3" not found',
    ],
    [
      "used too much memory",
      ended(137, "OOMKilled"),
      "OOMKilled",
      "its pod was killed: container albert used more memory than its limit (OOMKilled)",
    ],
    [
      "ended with an error",
      ended(2, "Error", "\u001b[0;93malbert: store.directory: is needed\u001b[m\nmore"),
      "Error",
      "its pod ended with exit status 2: albert: store.directory: is needed | more",
    ],
    [
      "was evicted by its node",
      { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." },
      "Evicted",
      "its pod ended: Evicted: The node was low on resource: memory.",
    ],
    [
      "made room for another",
      {
        ...ended(143, "Error"),
        conditions: [
          {
            type: "DisruptionTarget",
            status: "True",
            reason: "PreemptionByScheduler",
            message: "default-scheduler: preempting",
          },
        ],
      },
      "PreemptionByScheduler",
      "its pod was evicted: PreemptionByScheduler: default-scheduler: preempting",
    ],
    ["failed without a word", { phase: "Failed" }, "Failed", "its pod failed, and the cluster says no more"],
  ];

  it.each(cases)("that %s", (_, status, reason, summary) => {
    const fate = fateOf({ metadata: { name: "p" }, status });
    expect(fate).toEqual(reason === "" ? undefined : { reason, summary });
  });

  it("is the last of many words", () => {
    const { summary } = fateOf({ metadata: { name: "p" }, status: ended(1, "Error", `${"x".repeat(4000)} the end`) })!;
    expect(summary.length).toBeLessThan(600);
    expect(summary).toMatch(/\.\.\. x+ the end$/);
  });
});

it("a Job is over when the cluster says so, and not because it once might have been", () => {
  const of = (type: string, status: string) =>
    endOf({ metadata: { name: "j" }, status: { conditions: [{ type, status, reason: "R", message: "m" }] } });
  expect(of("Complete", "True")).toBe("complete");
  expect(of("Failed", "True")).toEqual({ reason: "R", summary: "m" });
  expect([of("Failed", "False"), of("Suspended", "True"), endOf({ metadata: { name: "j" } })]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
