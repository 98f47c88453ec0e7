import { type App, startApp } from "../../src/app.ts";
import { type AlbertClient, type AlbertClientOptions, connectAlbert } from "../../src/client/albert-client.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/settings.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import type { ServerLog } from "../../src/server/log.ts";
import type { ServableModel } from "../../src/serving/models/reader.ts";
import { ModelReader } from "../../src/serving/models/reader.ts";
import { type EngineScript, scriptedEngine } from "./scripted-engine.ts";

/** Settings to change, as in a configuration file. */
export type Overrides = { readonly [G in keyof Config]?: Partial<Config[G]> };

export interface RunningServerOptions {
  readonly models: readonly { readonly name: string; readonly directory: string }[];
  readonly config?: Overrides;
  readonly openEngine?: (model: ServableModel) => Promise<Engine>;
  readonly client?: AlbertClientOptions;
}

/** A real server on a free port of this machine, with a client, a script for its engines, and everything it logged. */
export interface RunningServer {
  readonly app: App;
  readonly client: AlbertClient;
  readonly address: string;
  readonly script: EngineScript;
  readonly log: readonly string[];
  /** What the next engines are made by, in place of the scripted one. */
  readonly loading: (() => Promise<Engine>)[];
  /** Opens the first model once more. */
  open(): Promise<ServableModel>;
  /** The metrics page. */
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** The defaults with every address on a free port of this machine, no drain delay, jobs as fast as they can, and the given changes. */
export function testConfig(overrides: Overrides = {}): Config {
  const { config } = loadConfig({});
  const local = {
    publicAddress: "127.0.0.1:0",
    adminAddress: "127.0.0.1:0",
    metricsAddress: "127.0.0.1:0",
    consoleAddress: "127.0.0.1:0",
  };
  // Tests share their machine with each other; a job that stands back for them all takes minutes.
  const forTests: Readonly<Record<string, object>> = {
    server: { ...local, drainDelayMs: 0 },
    training: { priority: "normal" },
    // What they expect was worked out on the processor.
    runtime: { device: "cpu" },
  };
  const changed = Object.entries(config).map(([group, values]) => [
    group,
    { ...values, ...forTests[group], ...overrides[group as keyof Config] },
  ]);
  return Object.fromEntries(changed) as Config;
}

export async function runServer(options: RunningServerOptions): Promise<RunningServer> {
  const script: EngineScript = {};
  const lines: string[] = [];
  const write = (fields: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? value.stack : value))}`);
  };
  const log: ServerLog = { debug: write, info: write, warn: write, error: write };
  const loading: (() => Promise<Engine>)[] = [];
  const create = options.openEngine ?? (async (model: ServableModel) => scriptedEngine(model, script));
  const openEngine = (model: ServableModel) => loading.shift()?.() ?? create(model);
  const app = await startApp({ config: testConfig(options.config), log, openEngine }, options.models);
  // A server that only trains has no address for inference; its client would be refused.
  const client = connectAlbert(app.addresses.public || app.addresses.admin!, { maxAttempts: 1, ...options.client });
  return {
    app,
    client,
    address: app.addresses.public,
    script,
    log: lines,
    loading,
    open: () => new ModelReader().prepare(options.models[0]!.directory, { devices: ["cpu"], precision: "fp32" }),
    metrics: async () => (await app.metrics.page()).body,
    close: async () => {
      client.close();
      await app.close(0);
    },
  };
}
