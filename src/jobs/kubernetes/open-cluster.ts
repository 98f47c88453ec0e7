import { readFile } from "node:fs/promises";
import { AlbertError } from "../../errors.ts";
import { type Cluster, type ClusterJob, type ClusterPod, QUEUE_LABEL } from "./cluster.ts";

// A cluster by the client library of the Kubernetes project. The package is optional and loaded here, only where jobs run in pods. What is
// used of it is declared here too, so that the program compiles without it.

interface KubeConfig {
  loadFromDefault(): void;
  getCurrentCluster(): { readonly server: string } | null;
  getContextObject(name: string): { readonly namespace?: string } | null;
  getCurrentContext(): string;
  makeApiClient<T>(api: new () => T): T;
}

interface InNamespace {
  readonly namespace: string;
}

interface BatchApi {
  listNamespacedJob(of: InNamespace & { labelSelector: string }): Promise<{ items: readonly ClusterJob[] }>;
  createNamespacedJob(of: InNamespace & { body: unknown }): Promise<unknown>;
  deleteNamespacedJob(of: InNamespace & { name: string; body: object }): Promise<unknown>;
}

interface CoreApi {
  listNamespacedPod(of: InNamespace & { labelSelector: string }): Promise<{ items: readonly ClusterPod[] }>;
}

interface Client {
  readonly KubeConfig: new () => KubeConfig;
  readonly BatchV1Api: new () => BatchApi;
  readonly CoreV1Api: new () => CoreApi;
  readonly Watch: new (
    config: KubeConfig,
  ) => {
    watch(
      path: string,
      query: Readonly<Record<string, string>>,
      onChange: (phase: string) => void,
      onEnd: (error: unknown) => void,
    ): Promise<AbortController>;
  };
  loadYaml(text: string): unknown;
}

export interface OpenClusterOptions {
  /** Empty: that of this process's own pod, or of the kubeconfig's context. */
  readonly namespace: string;
  /** Labels the objects that are looked at. */
  readonly queue: string;
  /** Called when something changed, and when that can no longer be told. */
  readonly onChange: () => void;
}

const PACKAGE = "@kubernetes/client-node";
/** Where the namespace of a pod's own service account stands. */
const NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/** What the library takes where it finds no cluster. */
const NOWHERE = "http://localhost:8080";
/** Longest wait for an answer of the cluster, in milliseconds. */
const ANSWER_MS = 30_000;
/** A following ends after so long and is begun anew, in seconds: one that has died unnoticed does so too. */
const WATCH_S = 240;
/** Before a following that ended is begun anew, in milliseconds. */
const WATCH_AGAIN_MS = 2000;

/** A cluster, and what it makes of a Job that a person wrote. */
export interface OpenedCluster {
  readonly cluster: Cluster;
  /** A Job without the fields that no Job has. */
  readonly known: (job: object) => unknown;
}

/**
 * Finds the cluster, looks whether it lets this server do its work, and begins to follow it. One that does not answer is no obstacle:
 * it is asked again.
 *
 * @throws AlbertError precondition: KUBERNETES_UNAVAILABLE where the package is not installed, or there is neither a service account nor a
 *   kubeconfig; CLUSTER_REFUSED where the cluster does not let this server look at Jobs and pods
 */
export async function openCluster({ namespace: given, queue, onChange }: OpenClusterOptions): Promise<OpenedCluster> {
  const client = await loadClient();
  const config = new client.KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    throw unavailable("the kubeconfig cannot be read", cause);
  }
  const server = config.getCurrentCluster()?.server ?? NOWHERE;
  if (server === NOWHERE)
    throw unavailable(
      "this process has neither the service account of a pod (automountServiceAccountToken) nor a KUBECONFIG",
    );
  const namespace = given || (await ownNamespace(config));
  const [batch, core] = [config.makeApiClient(client.BatchV1Api), config.makeApiClient(client.CoreV1Api)];
  const of = { namespace, labelSelector: `${QUEUE_LABEL}=${queue}` };
  const open = new AbortController();
  const cluster: Cluster = {
    namespace,
    async read() {
      const [jobs, pods] = await answered(() => Promise.all([batch.listNamespacedJob(of), core.listNamespacedPod(of)]));
      return { jobs: jobs.items, pods: pods.items };
    },
    async create(body) {
      try {
        await answered(() => batch.createNamespacedJob({ namespace, body }));
        return true;
      } catch (error) {
        if (statusOf(error) === 409) return false;
        throw error;
      }
    },
    async remove({ metadata: { name, uid } }) {
      const body = { propagationPolicy: "Background", ...(uid === undefined ? {} : { preconditions: { uid } }) };
      try {
        await answered(() => batch.deleteNamespacedJob({ namespace, name, body }));
      } catch (error) {
        if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
      }
    },
    close: () => open.abort(),
  };
  try {
    await cluster.read();
  } catch (error) {
    if (statusOf(error) !== undefined) throw error;
  }
  const watch = new client.Watch(config);
  for (const path of [`/apis/batch/v1/namespaces/${namespace}/jobs`, `/api/v1/namespaces/${namespace}/pods`]) {
    follow(watch, path, of.labelSelector, onChange, open.signal);
  }
  return { cluster, known: (job) => client.loadYaml(JSON.stringify(job)) };
}

/** Calls back on each change, for as long as the signal is not aborted. What is missed between two followings is read with the rest. */
function follow(
  watch: InstanceType<Client["Watch"]>,
  path: string,
  labelSelector: string,
  onChange: () => void,
  open: AbortSignal,
): void {
  if (open.aborted) return;
  const query = { labelSelector, timeoutSeconds: String(WATCH_S) };
  let following: AbortController | undefined;
  const stop = () => following?.abort();
  open.addEventListener("abort", stop, { once: true });
  const again = () => {
    open.removeEventListener("abort", stop);
    if (open.aborted) return;
    onChange();
    setTimeout(() => follow(watch, path, labelSelector, onChange, open), WATCH_AGAIN_MS).unref();
  };
  void watch.watch(path, query, onChange, again).then(
    (controller) => {
      following = controller;
      if (open.aborted) controller.abort();
    },
    again, // it could not even be asked for: of credentials that a program gives, say
  );
}

async function loadClient(): Promise<Client> {
  try {
    return (await import(PACKAGE)) as Client;
  } catch (cause) {
    throw unavailable(`the optional package ${PACKAGE} cannot be loaded: install it`, cause);
  }
}

function unavailable(what: string, cause?: unknown): AlbertError {
  const message = `jobs.runner is kubernetes, and ${what}; or set jobs.runner server`;
  return new AlbertError("precondition", message, { reason: "KUBERNETES_UNAVAILABLE", cause });
}

async function ownNamespace(config: KubeConfig): Promise<string> {
  const ofContext = config.getContextObject(config.getCurrentContext())?.namespace;
  if (ofContext !== undefined && ofContext !== "") return ofContext;
  const ofPod = await readFile(NAMESPACE_FILE, "utf8").catch(() => "");
  return ofPod.trim() || "default";
}

/** The answer of the cluster, or an error as `Cluster` promises it. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS / 1000} seconds`)), ANSWER_MS).unref();
  });
  try {
    return await Promise.race([ask(), tooLate]);
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code !== "number" || code >= 500 || code === 429) {
      const why = cause instanceof Error && typeof code !== "number" ? cause.message : `status ${String(code)}`;
      throw new AlbertError("unavailable", `the cluster does not answer: ${why}`, {
        reason: "CLUSTER_UNREACHABLE",
        cause,
      });
    }
    const message = `the cluster refuses it: ${saidBy(cause)}`;
    throw new AlbertError("precondition", message, {
      ...{ reason: "CLUSTER_REFUSED", cause },
      metadata: { status: String(code) },
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The words of the API server in an error of the library, whose body is its `Status`, as text or not. */
function saidBy(cause: unknown): string {
  const { body, message } = cause as { readonly body?: unknown; readonly message: string };
  try {
    const status = (typeof body === "string" ? JSON.parse(body) : body) as { readonly message?: unknown };
    if (typeof status.message === "string") return status.message;
  } catch {
    // not an answer of an API server: a proxy's, perhaps
  }
  return message.split("\n")[0]!;
}

/** The status with which a cluster refused; undefined for other errors. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof AlbertError) || error.reason !== "CLUSTER_REFUSED") return undefined;
  return Number(error.metadata["status"]);
}
