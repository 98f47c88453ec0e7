import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { JobOutcome } from "../../../src/jobs/job-outcome.ts";
import type { JobService } from "../../../src/jobs/job-service.ts";
import { checkTemplate } from "../../../src/jobs/kubernetes/job-template.ts";
import { KubernetesPlaces, type KubernetesPlacesOptions } from "../../../src/jobs/kubernetes/kubernetes-places.ts";
import { openCluster } from "../../../src/jobs/kubernetes/open-cluster.ts";
import {
  openSharedJobService,
  type SharedJobServiceOptions,
} from "../../../src/jobs/shared/open-shared-job-service.ts";
import { StoredJobs } from "../../../src/store/jobs/stored-jobs.ts";
import { MemoryObjectStore } from "../../store/objects/memory-object-store.ts";
import { FakeKubernetes } from "../../support/fake-kubernetes.ts";
import { missing } from "../../support/fixtures.ts";
import { ManualRunner, RecordingPublisher, specOf, until } from "../fake-runner.ts";

const FINISHED: JobOutcome = { kind: "finished", metrics: { eval_accuracy: 0.9 }, modelDirectory: "/model" };
const TEMPLATE = {
  ...{ apiVersion: "batch/v1", kind: "Job" },
  spec: { template: { spec: { containers: [{ name: "albert", image: "albert-serve:1" }] } } },
};
/** Longer than any of these tests: no claim ends because its lease does. */
const LEASE_MS = 3_600_000;

const name = "@kubernetes/client-node";
const client = await import(name).catch(() => undefined);

describe.skipIf(missing(name, client))("jobs in the pods of a cluster", () => {
  let directory: string;
  let store: StoredJobs;
  let fake: FakeKubernetes;
  let closing: (() => Promise<void>)[];
  const before = process.env["KUBECONFIG"];
  beforeAll(() => () => {
    if (before === undefined) delete process.env["KUBECONFIG"];
    else process.env["KUBECONFIG"] = before;
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "albert-pods-"));
    store = new StoredJobs(new MemoryObjectStore());
    fake = await FakeKubernetes.start();
    process.env["KUBECONFIG"] = fake.kubeconfig;
    closing = [];
  });
  afterEach(async () => {
    for (const close of closing.reverse()) await close();
    await fake.close();
    await rm(directory, { recursive: true, force: true });
  });

  const served = (trainer: string, runner: ManualRunner, varied: Partial<SharedJobServiceOptions>) =>
    openSharedJobService({
      directory: join(directory, trainer),
      ...{ store, runner, trainer, publisher: new RecordingPublisher() },
      times: { leaseMs: LEASE_MS, heartbeatMs: LEASE_MS },
      pollMs: 5,
      checkSpec: () => {},
      ...{ onDefect: () => {}, onError: () => {} },
      ...varied,
    });

  /** A server whose jobs run in pods. */
  async function administer(trainer: string, varied: Partial<KubernetesPlacesOptions> = {}) {
    const reached: unknown[] = [];
    let places: KubernetesPlaces | undefined;
    const options = { namespace: "", queue: "albert", onChange: () => places?.noteChange() };
    const { cluster, known } = await openCluster(options);
    places = new KubernetesPlaces({
      ...{ cluster, queue: "albert", kueue: "", most: 10, clock: Date.now },
      template: checkTemplate(TEMPLATE, known as never),
      onReach: (error) => reached.push(error),
      retryMs: 20,
      ...varied,
    });
    const service = await served(trainer, new ManualRunner(), { places, takes: () => false });
    let closed = false;
    const close = async () => {
      if (!closed) await service.close();
      closed = true;
    };
    closing.push(close);
    return { service, reached, close };
  }

  /** The process that a pod of a Job runs. */
  async function startPod(pod: string, job: string, id: string) {
    const runner = new ManualRunner();
    fake.setPod(pod, job, { phase: "Running" });
    const service = await served(pod, runner, { takes: (one) => one.id === id });
    closing.push(async () => {
      for (const run of runner.started) run.finish({ kind: "stopped" });
      await service.close();
    });
    await until(() => runner.started.length > 0, "the pod works on its job");
    return { runner, service };
  }

  const jobOf = (id: string) => `albert-${id}`;
  const created = async (service: JobService, varied = {}) => {
    const { id } = (await service.create("", specOf(varied))).job;
    await until(() => fake.jobs.has(jobOf(id)), "its Job is there");
    return id;
  };
  const stateOf = (service: JobService, id: string) => service.get(id).state.kind;
  const tellings = async (service: JobService, id: string) => {
    const abort = new AbortController();
    const told: string[] = [];
    const { lastSequence } = service.get(id);
    for await (const { kind, summary, sequence } of service.watch(id, 0, abort.signal)) {
      if (kind === "pod") told.push(summary);
      if (sequence >= lastSequence) abort.abort();
    }
    return told;
  };
  const untilTold = (service: JobService, id: string, text: string) =>
    until(
      () => service.get(id).activity.includes(text),
      () => `${text}, but ${service.get(id).activity}`,
    );

  it("are worked on by a pod each, which takes its job by a claim; its Job stays for its logs", async () => {
    const { service } = await administer("admin");
    const id = await created(service);
    expect(fake.jobs.get(jobOf(id))!.spec.template.spec.containers[0]!.args).toContain(id);
    const { runner } = await startPod("albert-pod-1", jobOf(id), id);
    const { hooks } = runner.current;
    for (const phase of ["validated", "prepared", "trained"] as const) hooks.phase(phase);
    runner.current.finish(FINISHED);
    await until(() => stateOf(service, id) === "succeeded", "the job succeeds");
    fake.setJob(jobOf(id), { conditions: [{ type: "Complete", status: "True" }] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([...fake.jobs.keys()]).toEqual([jobOf(id)]);
    expect(await tellings(service, id)).toEqual([`runs in a pod: its Job is ${jobOf(id)} in the namespace training`]);
    await service.delete(id);
    await until(() => fake.jobs.size === 0, "the Job of a job that is deleted is removed");
    expect(fake.removals).toEqual([expect.objectContaining({ propagationPolicy: "Background" })]);
  });

  it("get one Job, however many servers look after them, and as many at a time as may be; a server that starts takes over what is there", async () => {
    const [a, b] = [await administer("a", { most: 2 }), await administer("b", { most: 2 })];
    const ids: string[] = [];
    for (const priority of [0, 5, 0]) ids.push((await a.service.create("", specOf({ priority }))).job.id);
    await until(() => fake.jobs.size >= 2, "two Jobs");
    await a.close();
    await b.service.refresh();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const first = [...fake.jobs.keys()];
    expect(first).toHaveLength(2);
    expect(new Set(fake.asked.filter((line) => line.startsWith("POST"))).size).toBe(1);
    const c = await administer("c", { most: 2 });
    const [done] = first.map((job) => job.slice("albert-".length));
    await c.service.cancel(done!);
    const rest = ids
      .filter((id) => id !== done)
      .map(jobOf)
      .sort();
    await until(
      () => [...fake.jobs.keys()].sort().join() === rest.join(),
      "the one that waited gets the place of the cancelled one",
    );
    // What was there already was neither removed nor made again.
    expect(fake.removals).toHaveLength(1);
  });

  it("end with their Job when they are cancelled, also one at work", async () => {
    const { service } = await administer("admin");
    const id = await created(service);
    const { runner } = await startPod(`${jobOf(id)}-x1`, jobOf(id), id);
    await service.cancel(id);
    await until(() => runner.current.stopped, "the pod hears of it");
    expect(fake.jobs.size).toBe(1); // its pod comes to the end of its step
    runner.current.finish({ kind: "stopped" });
    await until(() => stateOf(service, id) === "cancelled" && fake.jobs.size === 0, "job and Job are gone");
  });

  it("tell in their logs, once, why their pods do not come up", async () => {
    const { service } = await administer("admin", { kueue: "gpus" });
    const id = await created(service);
    const job = jobOf(id);
    expect(fake.jobs.get(job)!.spec.suspend).toBe(true);
    await untilTold(service, id, "queue gpus of Kueue");
    fake.jobs.set(job, { ...fake.jobs.get(job)!, spec: { ...fake.jobs.get(job)!.spec, suspend: false } });
    const blocked = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" };
    fake.setPod(`${job}-x1`, job, { phase: "Pending", conditions: [blocked] });
    await untilTold(service, id, "waits for a node: 0/1 nodes");
    for (const reason of ["ErrImagePull", "ImagePullBackOff", "ErrImagePull"]) {
      const waiting = { reason, message: "no such image" };
      fake.setPod(`${job}-x1`, job, { phase: "Pending", containerStatuses: [{ name: "albert", state: { waiting } }] });
      await untilTold(service, id, "image of its pod cannot be had: no such image");
    }
    expect((await tellings(service, id)).map((line) => line.split(":")[0])).toEqual([
      "runs in a pod",
      "its Job waits in the queue gpus of Kueue to be let in",
      "its pod waits for a node",
      "the image of its pod cannot be had",
    ]);
    expect(stateOf(service, id)).toBe("queued");
  });

  it("go on in another pod when theirs is killed or removed, without waiting for a lease", async () => {
    const { service } = await administer("admin");
    const id = await created(service);
    const job = jobOf(id);
    await startPod(`${job}-x1`, job, id);
    const terminated = { exitCode: 137, reason: "OOMKilled" };
    fake.setPod(`${job}-x1`, job, { phase: "Failed", containerStatuses: [{ name: "albert", state: { terminated } }] });
    await until(() => service.get(id).released === 1, "the claim ends");
    const second = await startPod(`${job}-x2`, job, id);
    expect(service.get(id).generation).toBe(2);
    for (const phase of ["validated", "prepared"] as const) second.runner.current.hooks.phase(phase);
    fake.removePod(`${job}-x2`);
    await until(() => service.get(id).released === 2, "so does that of a pod that is no more");
    const { runner } = await startPod(`${job}-x3`, job, id);
    await until(() => service.get(id).owner?.trainer === `${job}-x3`, "a third has it");
    expect(runner.current.job.generation).toBe(3);
    expect((await tellings(service, id))[1]).toMatch(/OOMKilled/);
    expect(fake.removals).toEqual([]);
  });

  it.each([
    ["BackoffLimitExceeded", "Job has reached the specified backoff limit", "POISON"],
    ["DeadlineExceeded", "Job was active longer than specified deadline", "DEADLINE"],
  ])(
    "fail when the cluster gives up their Job (%s), and say of what; one that is resumed gets another",
    async (how, message, reason) => {
      const { service } = await administer("admin");
      const id = await created(service);
      const job = jobOf(id);
      const terminated = { exitCode: 2, reason: "Error", message: "albert: no such store" };
      fake.setPod(`${job}-x1`, job, {
        phase: "Failed",
        containerStatuses: [{ name: "albert", state: { terminated } }],
      });
      await untilTold(service, id, "exit status 2: albert: no such store");
      fake.setJob(job, { conditions: [{ type: "Failed", status: "True", reason: how, message }] });
      await until(() => stateOf(service, id) === "failed", "the job fails");
      const { state } = service.get(id);
      expect(state).toMatchObject({ reason, message: expect.stringContaining(message) });
      if (reason !== "POISON") return;
      expect(state).toMatchObject({ message: expect.stringContaining("exit status 2: albert: no such store") });
      await service.resume(id);
      await until(() => fake.jobs.has(`${job}-1`), "another Job");
      expect(stateOf(service, id)).toBe("queued");
    },
  );

  it("wait while the cluster refuses their Job or does not answer; it is tried again", async () => {
    fake.refusal = { status: 403, message: "exceeded quota: gpus", method: "POST" };
    const { service, reached } = await administer("admin");
    const { id } = (await service.create("", specOf())).job;
    await untilTold(service, id, "no Job could be made for it: the cluster refuses it: exceeded quota: gpus");
    fake.refusal = { status: 503, message: "etcd is away" };
    await until(() => reached.length === 1, "it cannot be reached");
    expect(reached[0]).toMatchObject({ code: "unavailable", reason: "CLUSTER_UNREACHABLE" });
    fake.refusal = undefined;
    await until(() => fake.jobs.has(jobOf(id)) && reached.length === 2, "it can again");
    expect(reached[1]).toBeUndefined();
    expect(stateOf(service, id)).toBe("queued");
  });

  it("need a cluster that lets the server look, and one at all", async () => {
    fake.refusal = { status: 403, message: 'jobs.batch is forbidden: User "u" cannot list resource "jobs"' };
    await expect(administer("a")).rejects.toMatchObject({
      reason: "CLUSTER_REFUSED",
      message: expect.stringContaining('cannot list resource "jobs"'),
    });
    process.env["KUBECONFIG"] = join(directory, "none");
    await expect(administer("a")).rejects.toMatchObject({ reason: "KUBERNETES_UNAVAILABLE" });
  });
});
