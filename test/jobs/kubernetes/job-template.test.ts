import { describe, expect, it } from "vitest";
import { type Job, newJob } from "../../../src/jobs/job.ts";
import { checkTemplate, manifestOf, nameOf } from "../../../src/jobs/kubernetes/job-template.ts";
import { specOf } from "../fake-runner.ts";

const ID = "20261128t093000000-5f2c1a";
const job: Job = newJob({ id: ID, requestId: "", spec: specOf({ model: "mood" }), specDigest: "", createdMs: 0 });
const names = { queue: "albert", kueue: "" };

const container = { name: "trainer", image: "albert-serve:1", resources: { limits: { "nvidia.com/gpu": 2 } } };
const templateOf = (spec: object, pod: object = { containers: [container] }) => ({
  ...{ apiVersion: "batch/v1", kind: "Job", metadata: { labels: { team: "search" } } },
  spec: { ...spec, template: { metadata: { annotations: { sidecar: "no" } }, spec: pod } },
});
const check = (value: object, known: unknown = value) => checkTemplate(value as never, () => known);

/** What is wrong with a template, by field. */
function problems(value: object, known?: unknown): Readonly<Record<string, string>> {
  try {
    check(value, known);
  } catch (error) {
    const { violations } = error as { violations: readonly { field: string; description: string }[] };
    return Object.fromEntries(violations.map(({ field, description }) => [field, description]));
  }
  throw new Error("nothing is wrong with it");
}

describe("the Job of a job", () => {
  it("is the template's, with the job's id, arguments that take it in the pod's name, and the pod's last words kept", () => {
    const made = manifestOf(check(templateOf({ activeDeadlineSeconds: 60 })), job, names);
    const labels = { "albert-serve/queue": "albert", "albert-serve/job": ID };
    expect(made).toMatchObject({
      metadata: { name: `albert-${ID}`, labels: { team: "search", ...labels } },
      spec: {
        ...{ activeDeadlineSeconds: 60, backoffLimit: 6, ttlSecondsAfterFinished: 86_400 },
        template: {
          metadata: { labels, annotations: { sidecar: "no", "albert-serve/model": "mood" } },
          spec: { restartPolicy: "Never" },
        },
      },
    });
    const { template, podFailurePolicy } = made["spec"] as {
      template: { spec: { containers: object[] } };
      podFailurePolicy: object;
    };
    expect(template.spec.containers).toEqual([
      {
        ...container,
        terminationMessagePolicy: "FallbackToLogsOnError",
        args: ["run-job", ID, "--trainer", "$(POD_NAME)"],
        env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
      },
    ]);
    expect(JSON.stringify(podFailurePolicy)).toContain('"containerName":"trainer","operator":"In","values":[143]');
    expect(made["spec"]).not.toHaveProperty("suspend");
  });

  it("stands suspended in the queue of Kueue where one is named", () => {
    const made = manifestOf(check(templateOf({})), job, { ...names, kueue: "gpus" });
    expect(made).toMatchObject({
      metadata: { labels: { "kueue.x-k8s.io/queue-name": "gpus" } },
      spec: { suspend: true },
    });
  });

  it("leaves what the template says: bounds, policies, other containers", () => {
    const pod = {
      restartPolicy: "OnFailure",
      containers: [
        { name: "proxy", image: "p" },
        { ...container, name: "albert" },
      ],
    };
    const made = manifestOf(check(templateOf({ backoffLimit: 1 }, pod)), job, names);
    const spec = made["spec"] as { template: { spec: { containers: object[] } } };
    expect(spec).toMatchObject({ backoffLimit: 1, template: { spec: { restartPolicy: "OnFailure" } } });
    // A failure policy is for pods that are never restarted.
    expect(spec).not.toHaveProperty("podFailurePolicy");
    expect(spec.template.spec.containers[0]).toEqual({ name: "proxy", image: "p" });
    expect(spec.template.spec.containers[1]).toHaveProperty("args");
  });

  it("has another name each time that the job begins again after a rest, of 63 characters at most", () => {
    const long = "a".repeat(32);
    const rest = (from: "paused" | "preempted") =>
      ({ from, to: { kind: "queued", resuming: true }, timeMs: 1 }) as const;
    expect(nameOf(job, long)).toBe(`${long}-${ID}`);
    expect(nameOf({ ...job, history: [rest("preempted")] }, long)).toBe(`${long}-${ID}`);
    const often = { ...job, history: Array.from({ length: 999 }, () => rest("paused")) };
    expect(nameOf(often, long)).toBe(`${long}-${ID}-999`);
    expect(nameOf(often, long).length).toBeLessThanOrEqual(63);
  });

  it.each([
    ["another kind", { ...templateOf({}), kind: "CronJob" }, "kind", 'expected "Job", got "CronJob"'],
    ["no container", templateOf({}, { containers: [] }), "spec.template.spec.containers", "at least one container"],
    [
      "no image",
      templateOf({}, { containers: [{ name: "a" }] }),
      "spec.template.spec.containers[0].image",
      "is missing",
    ],
    [
      "arguments of its own",
      templateOf({}, { containers: [{ ...container, args: ["serve"] }] }),
      "spec.template.spec.containers[0].args",
      "leave it out",
    ],
    ["several pods", templateOf({ parallelism: 2 }), "spec.parallelism", "expected 1 or nothing, got 2"],
    ["a suspension", templateOf({ suspend: true }), "spec.suspend", "jobs.kubernetes_queue"],
    [
      "pods that are always restarted",
      templateOf({}, { restartPolicy: "Always", containers: [container] }),
      "spec.template.spec.restartPolicy",
      "Never or OnFailure",
    ],
  ])("is not made of a template with %s", (_, template, field, description) => {
    expect(problems(template)).toEqual({ [field]: expect.stringContaining(description) });
  });

  it("is not made of a template with fields that no Job has: each is named", () => {
    const pod = { nodeSelctor: { gpu: "a100" }, containers: [{ ...container, imagePullPolcy: "Never" }] };
    const known = templateOf({}, { containers: [container] });
    expect(problems(templateOf({}, pod), known)).toEqual({
      "spec.template.spec.nodeSelctor": "is no field of a batch/v1 Job",
      "spec.template.spec.containers[0].imagePullPolcy": "is no field of a batch/v1 Job",
    });
  });
});
