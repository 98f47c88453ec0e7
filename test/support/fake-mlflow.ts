import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Entry {
  readonly key: string;
  readonly value: string;
}

/** A run as the fake keeps it. */
export interface FakeRun {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  status: string;
  endTime: number | undefined;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly metrics: {
    readonly key: string;
    readonly value: number;
    readonly step: number;
    readonly timestamp: number;
  }[];
}

/** As much of MLflow's REST API as runs are logged by, in memory, on a port of this machine, with faults on demand. */
export class FakeMlflow {
  readonly experiments = new Map<string, string>();
  readonly runs: FakeRun[] = [];
  readonly artifacts = new Map<string, string>();
  /** Paths that were asked for, below the API, in order. */
  readonly asked: string[] = [];
  /** Of the newest request. */
  authorization: string | undefined;
  /** A status that answers in place of the service; 0: nothing answers. */
  fault: (path: string) => number | undefined = () => undefined;
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  /** @returns where it answers */
  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url!, "http://mlflow");
    const path = url.pathname.replace(/^\/api\/2\.0\//, "");
    this.asked.push(path);
    this.authorization = request.headers.authorization;
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const text = Buffer.concat(body).toString();
    const fault = this.fault(path);
    if (fault === 0) return undefined;
    if (fault !== undefined) return refuse(response, fault, "FAULT", "as the test wants it");
    if (path.startsWith("mlflow-artifacts/artifacts/")) {
      this.artifacts.set(path.slice("mlflow-artifacts/artifacts/".length), text);
      return answer(response, {});
    }
    const name = url.searchParams.get("experiment_name") ?? "";
    return this.#answer(path, { name, ...(text === "" ? {} : JSON.parse(text)) }, response);
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of a public API, which is JSON
  #answer(path: string, body: any, response: ServerResponse): unknown {
    const run = this.runs.find(({ id }) => id === body.run_id);
    switch (path) {
      case "mlflow/experiments/get-by-name": {
        const id = this.experiments.get(body.name);
        if (id === undefined) return refuse(response, 404, "RESOURCE_DOES_NOT_EXIST", "no such experiment");
        return answer(response, { experiment: { experiment_id: id, name: body.name } });
      }
      case "mlflow/experiments/create":
        this.experiments.set(body.name, String(this.experiments.size + 1));
        return answer(response, { experiment_id: this.experiments.get(body.name) });
      case "mlflow/runs/search": {
        const [, key = "", value] = /^tags\.`(.+)` = '(.+)'$/.exec(body.filter) ?? [];
        const found = this.runs.filter(
          ({ experiment, tags }) => body.experiment_ids.includes(experiment) && tags.get(key) === value,
        );
        return answer(response, found.length === 0 ? {} : { runs: found.slice(0, body.max_results).map(messageOf) });
      }
      case "mlflow/runs/create": {
        const made: FakeRun = {
          ...{ id: `run-${this.runs.length + 1}`, experiment: body.experiment_id, name: body.run_name },
          ...{ status: "RUNNING", endTime: undefined, params: new Map<string, string>(), metrics: [] },
          tags: mapOf(body.tags),
        };
        this.runs.push(made);
        return answer(response, { run: messageOf(made) });
      }
      case "mlflow/runs/log-batch": {
        if (run === undefined) return refuse(response, 404, "RESOURCE_DOES_NOT_EXIST", "no such run");
        const changed = body.params.find(({ key, value }: Entry) => (run.params.get(key) ?? value) !== value);
        if (changed !== undefined || body.metrics.length > 1000 || body.params.length > 100 || body.tags.length > 100)
          return refuse(response, 400, "INVALID_PARAMETER_VALUE", "a parameter changed, or too much at once");
        for (const { key, value } of body.params as Entry[]) run.params.set(key, value);
        for (const { key, value } of body.tags as Entry[]) run.tags.set(key, value);
        run.metrics.push(...body.metrics);
        return answer(response, {});
      }
      case "mlflow/runs/update":
        if (run === undefined) return refuse(response, 404, "RESOURCE_DOES_NOT_EXIST", "no such run");
        run.status = body.status;
        run.endTime = body.end_time;
        return answer(response, {});
      default:
        return refuse(response, 404, "ENDPOINT_NOT_FOUND", path);
    }
  }
}

function messageOf({ id, experiment, status, params, tags }: FakeRun) {
  const entries = (map: ReadonlyMap<string, string>) => [...map].map(([key, value]) => ({ key, value }));
  return {
    info: { run_id: id, status, artifact_uri: `mlflow-artifacts:/${experiment}/${id}/artifacts` },
    data: { params: entries(params), tags: entries(tags) },
  };
}

function mapOf(entries: readonly Entry[]): Map<string, string> {
  return new Map(entries.map(({ key, value }) => [key, value]));
}

function answer(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error_code: code, message }));
}
