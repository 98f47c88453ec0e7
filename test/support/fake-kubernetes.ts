import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterJob, ClusterPod } from "../../src/jobs/kubernetes/cluster.ts";

/** A Job as it was sent, with what a cluster adds. */
export type FakeJob = ClusterJob & {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: {
    readonly suspend?: boolean;
    readonly template: { readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] } };
  };
  status?: ClusterJob["status"];
};

type Kind = "jobs" | "pods";

/**
 * The part of a Kubernetes API server that runs Jobs: `batch/v1` Jobs and pods of one namespace can be listed and watched, and Jobs
 * created and removed. No controller acts: a test says what becomes of Jobs and pods.
 */
export class FakeKubernetes {
  readonly jobs = new Map<string, FakeJob>();
  readonly pods = new Map<string, ClusterPod>();
  /** Requests, without those that watch: method and path. */
  readonly asked: string[] = [];
  /** Bodies of what was removed. */
  readonly removals: Removal[] = [];
  /** Answers every request with this status and these words, while set; only those of the method, where one is named. */
  refusal: { readonly status: number; readonly message: string; readonly method?: string } | undefined;
  #uids = 0;
  readonly #server: Server;
  readonly #watches = new Set<{ readonly kind: Kind; readonly response: ServerResponse }>();
  readonly #directory = mkdtempSync(join(tmpdir(), "albert-fake-kubernetes-"));

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakeKubernetes> {
    const fake = new FakeKubernetes();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  /** A kubeconfig that leads here, with the namespace `training`. */
  get kubeconfig(): string {
    const { port } = this.#server.address() as AddressInfo;
    const file = join(this.#directory, "config");
    writeFileSync(
      file,
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
        clusters: [{ name: "k", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
        users: [{ name: "u", user: { token: "secret" } }],
        contexts: [{ name: "c", context: { cluster: "k", user: "u", namespace: "training" } }],
      }),
    );
    return file;
  }

  get watching(): number {
    return this.#watches.size;
  }

  setJob(name: string, status: NonNullable<ClusterJob["status"]>): void {
    const job = { ...this.jobs.get(name)!, status };
    this.jobs.set(name, job);
    this.#tell("jobs", "MODIFIED", job);
  }

  setPod(name: string, job: string, status: NonNullable<ClusterPod["status"]>): void {
    const { labels = {} } = this.jobs.get(job)!.metadata;
    const before = this.pods.get(name);
    const creationTimestamp =
      before?.metadata.creationTimestamp ?? new Date(1e12 + this.pods.size * 1000).toISOString();
    const pod = { metadata: { name, labels: { ...labels, "job-name": job }, creationTimestamp }, status };
    this.pods.set(name, pod);
    this.#tell("pods", before === undefined ? "ADDED" : "MODIFIED", pod);
  }

  removePod(name: string): void {
    this.#tell("pods", "DELETED", this.pods.get(name)!);
    this.pods.delete(name);
  }

  async close(): Promise<void> {
    for (const { response } of this.#watches) response.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #tell(kind: Kind, type: string, object: object): void {
    for (const watch of this.#watches) {
      if (watch.kind === kind) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url!, "http://fake");
    const method = request.method!;
    const [, kind, name] =
      /^\/api(?:s\/batch)?\/v1\/namespaces\/training\/(jobs|pods)(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (url.searchParams.get("watch") === "true" && this.refusal === undefined) {
      const watch = { kind: kind as Kind, response };
      this.#watches.add(watch);
      response.on("close", () => this.#watches.delete(watch));
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      return;
    }
    this.asked.push(`${method} ${url.pathname}`);
    const refused = this.refusal;
    let answer: readonly [status: number, body: object];
    if (refused !== undefined && (refused.method ?? method) === method) {
      answer = [refused.status, statusOf(refused.message)];
    } else if (kind === undefined || request.headers.authorization !== "Bearer secret") {
      answer = [404, statusOf("the server could not find the requested resource")];
    } else {
      const body = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
      if (method === "POST") answer = this.#create(body);
      else if (method === "DELETE") answer = this.#remove(name!, body);
      else answer = this.#list(kind as Kind, url.searchParams.get("labelSelector")!);
    }
    response.writeHead(answer[0], { "content-type": "application/json" }).end(JSON.stringify(answer[1]));
  }

  #list(kind: Kind, selector: string): [number, object] {
    const [key, value] = selector.split("=") as [string, string];
    const objects: readonly (ClusterJob | ClusterPod)[] = [...this[kind].values()];
    const items = objects.filter(({ metadata }) => metadata.labels?.[key] === value);
    const list = kind === "jobs" ? { apiVersion: "batch/v1", kind: "JobList" } : { apiVersion: "v1", kind: "PodList" };
    return [200, { ...list, metadata: {}, items }];
  }

  #create(body: FakeJob): [number, object] {
    const { name } = body.metadata;
    if (this.jobs.has(name)) return [409, statusOf(`jobs.batch "${name}" already exists`)];
    const job = { ...body, metadata: { ...body.metadata, uid: `uid-${++this.#uids}` } };
    this.jobs.set(name, job);
    this.#tell("jobs", "ADDED", job);
    return [201, job];
  }

  #remove(name: string, body: Removal): [number, object] {
    const job = this.jobs.get(name);
    if (job === undefined) return [404, statusOf(`jobs.batch "${name}" not found`)];
    const uid = body.preconditions?.uid;
    if (uid !== undefined && uid !== job.metadata.uid) return [409, statusOf("the UID does not match")];
    this.removals.push(body);
    this.jobs.delete(name);
    for (const pod of this.pods.values())
      if (pod.metadata.labels?.["job-name"] === name) this.removePod(pod.metadata.name);
    this.#tell("jobs", "DELETED", job);
    return [200, { kind: "Status", apiVersion: "v1", status: "Success" }];
  }
}

/** What is said of how a Job is to be removed. */
interface Removal {
  readonly propagationPolicy?: string;
  readonly preconditions?: { readonly uid?: string };
}

function statusOf(message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message };
}
