// The few calls of MLflow's REST API by which runs are logged. It knows no job.

/** A metric at one step. */
export interface MlflowMetric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

export interface MlflowEntry {
  readonly key: string;
  readonly value: string;
}

/** What one call adds to a run: at most 1,000 metrics, 100 parameters and 100 tags. */
export interface MlflowBatch {
  readonly metrics: readonly MlflowMetric[];
  readonly params: readonly MlflowEntry[];
  readonly tags: readonly MlflowEntry[];
}

export type MlflowStatus = "RUNNING" | "FINISHED" | "FAILED" | "KILLED";

/** A run as the tracking server has it. */
export interface MlflowRun {
  readonly id: string;
  readonly status: string;
  readonly artifactUri: string;
  readonly params: readonly MlflowEntry[];
  readonly tags: readonly MlflowEntry[];
}

export interface NewMlflowRun {
  readonly name: string;
  readonly startTimeMs: number;
  readonly tags: readonly MlflowEntry[];
}

/** The tracking server answered, and refuses this request whenever it is made. */
export class MlflowRefused extends Error {
  override readonly name = "MlflowRefused";
  readonly code: string;

  /** @param code  MLflow's own, such as RESOURCE_DOES_NOT_EXIST */
  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/** The tracking server cannot be reached, does not answer in time, or does not take the request now. */
class MlflowUnreachable extends Error {
  override readonly name = "MlflowUnreachable";
}

export interface MlflowOptions {
  /** Where the tracking server answers, such as `http://mlflow:5000`. */
  readonly uri: string;
  /** `user:password`, or a bearer token; empty for none. Read before each call, so that it may be replaced. */
  readonly credential: () => Promise<string>;
  /** After this many milliseconds without an answer a call has failed. */
  readonly timeoutMs?: number;
}

/** Of answers that may be others later: the server is overrun, starts, or has yet to learn who calls. */
const PASSING: ReadonlySet<number> = new Set([401, 403, 408, 425, 429]);
const TIMEOUT_MS = 10_000;
const API = "/api/2.0/mlflow/";
const ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/";

/** Calls of one tracking server. Each throws `MlflowRefused` or `MlflowUnreachable`. */
export class MlflowClient {
  readonly #options: MlflowOptions;

  constructor(options: MlflowOptions) {
    this.#options = options;
  }

  /** The id of an experiment, which is made where there is none of the name. */
  async experiment(name: string, signal: AbortSignal): Promise<string> {
    try {
      const query = new URLSearchParams({ experiment_name: name });
      const { experiment } = await this.#call<{ experiment: { experiment_id: string } }>(
        `experiments/get-by-name?${query}`,
        undefined,
        signal,
      );
      return experiment.experiment_id;
    } catch (error) {
      if (!(error instanceof MlflowRefused) || error.code !== "RESOURCE_DOES_NOT_EXIST") throw error;
    }
    return (await this.#call<{ experiment_id: string }>("experiments/create", { name }, signal)).experiment_id;
  }

  /** The newest run of an experiment that has a tag. */
  async find(experiment: string, { key, value }: MlflowEntry, signal: AbortSignal): Promise<MlflowRun | undefined> {
    const { runs = [] } = await this.#call<{ runs?: RunMessage[] }>(
      "runs/search",
      { experiment_ids: [experiment], filter: `tags.\`${key}\` = '${value}'`, max_results: 1 },
      signal,
    );
    return runs[0] === undefined ? undefined : runOf(runs[0]);
  }

  async create(experiment: string, { name, startTimeMs, tags }: NewMlflowRun, signal: AbortSignal): Promise<MlflowRun> {
    const body = { experiment_id: experiment, run_name: name, start_time: startTimeMs, tags };
    return runOf((await this.#call<{ run: RunMessage }>("runs/create", body, signal)).run);
  }

  async log(runId: string, batch: MlflowBatch, signal: AbortSignal): Promise<void> {
    await this.#call("runs/log-batch", { run_id: runId, ...batch }, signal);
  }

  /** @param endTimeMs  absent where the run goes on */
  async update(runId: string, status: MlflowStatus, endTimeMs: number | undefined, signal: AbortSignal): Promise<void> {
    const ended = endTimeMs === undefined ? {} : { end_time: endTimeMs };
    await this.#call("runs/update", { run_id: runId, status, ...ended }, signal);
  }

  /** Keeps a text with a run, where the tracking server takes artifacts itself. @returns false where it does not */
  async keepText({ artifactUri }: MlflowRun, name: string, text: string, signal: AbortSignal): Promise<boolean> {
    const below = /^mlflow-artifacts:\/*(?:\/\/[^/]*\/)?(.+)$/.exec(artifactUri)?.[1];
    if (below === undefined) return false;
    await this.#request(`${ARTIFACTS}${below}/${name}`, { method: "PUT", body: text }, "text/markdown", signal);
    return true;
  }

  async #call<T>(path: string, body: object | undefined, signal: AbortSignal): Promise<T> {
    const how = body === undefined ? { method: "GET" } : { method: "POST", body: JSON.stringify(body) };
    const text = await this.#request(`${API}${path}`, how, "application/json", signal);
    try {
      return JSON.parse(text) as T; // the contract of the API
    } catch (cause) {
      throw new MlflowUnreachable("what answers is no MLflow: its answer is not JSON", { cause });
    }
  }

  async #request(
    path: string,
    how: { readonly method: string; readonly body?: string },
    type: string,
    signal: AbortSignal,
  ): Promise<string> {
    const { uri, credential, timeoutMs = TIMEOUT_MS } = this.#options;
    const [status, text] = await this.#fetched(async () => {
      const response = await fetch(`${uri.replace(/\/+$/, "")}${path}`, {
        ...how,
        headers: { "content-type": type, ...authorization(await credential()) },
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return [response.status, await response.text()] as const;
    });
    if (status < 300) return text;
    const message = `MLflow answered ${status} to ${path.split("?")[0]}`;
    if (status >= 500 || status < 400 || PASSING.has(status)) throw new MlflowUnreachable(message);
    const { error_code: code = "", message: words = "" } = refusalOf(text);
    throw new MlflowRefused(words === "" ? message : `${message}: ${words.slice(0, 300)}`, code);
  }

  async #fetched<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      throw new MlflowUnreachable(reasonOf(cause), { cause });
    }
  }
}

interface RunMessage {
  readonly info: { readonly run_id: string; readonly status: string; readonly artifact_uri?: string };
  readonly data?: { readonly params?: readonly MlflowEntry[]; readonly tags?: readonly MlflowEntry[] };
}

function runOf({ info, data = {} }: RunMessage): MlflowRun {
  const { run_id: id, status, artifact_uri: artifactUri = "" } = info;
  return { id, status, artifactUri, params: data.params ?? [], tags: data.tags ?? [] };
}

function authorization(credential: string): Record<string, string> {
  if (credential === "") return {};
  const isPair = credential.includes(":");
  return { authorization: isPair ? `Basic ${Buffer.from(credential).toString("base64")}` : `Bearer ${credential}` };
}

/** `fetch` says why it failed in the cause of its error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "MLflow did not answer in time";
  const { cause } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}

function refusalOf(text: string): { error_code?: string; message?: string } {
  try {
    return JSON.parse(text) as object; // what is not there is undefined
  } catch {
    return {};
  }
}
