import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { formatAccessList } from "../src/access/access-file.ts";
import { newToken, tokenHash } from "../src/access/tokens.ts";
import { startApp } from "../src/app.ts";
import { type AlbertClient, type AlbertClientOptions, connectAlbert } from "../src/client/albert-client.ts";
import { loadConfig } from "../src/config/load.ts";
import { openEngine } from "../src/runtime/packed-engine.ts";
import { planClassification } from "../src/tasks/classification/classification.ts";
import { taskModel } from "../src/tasks/plan.ts";
import { TestAuthority, tlsFiles } from "../test/support/test-certificates.ts";
import { benchModel } from "./bench-model.ts";
import type { ServerUsage } from "./grpc-server.ts";
import { inTurn, rounded, timingOf } from "./timing.ts";

const TEXT = "the cat sat on the mat";
const ROUNDS = 400;
/** Requests before counting begins (compilers must have seen the path) and while counting. */
const NULL_LOAD = { callers: 64, warmUp: 5000, measured: 10_000 };
const BASE_LOAD = { callers: 8, warmUp: 16, measured: 100 };

/** What the way through gRPC, admission and batching costs, beside what the model costs. */
export async function benchGrpc(): Promise<unknown> {
  return {
    idleUnary: await idleUnary(),
    nullModel: await nullModel(),
    underLoad: await underLoad(),
    secured: await benchSecured(),
  };
}

/** One caller, nothing else to do: the answer over the network of this machine against the bare engine. */
async function idleUnary() {
  const quiet = () => {};
  const { config } = loadConfig({ flags: { "server-public-address": "127.0.0.1:0", "server-metrics-address": "" } });
  const log = { debug: quiet, info: quiet, warn: quiet, error: console.error };
  const app = await startApp({ config, log, openEngine: (model) => openEngine(model) }, []);
  const model = await benchModel("tiny");
  await app.serving.models.swap({ name: "bench", version: "1", open: async () => model });
  const client = connectAlbert(app.addresses.public);
  const engine = await openEngine(model);
  const { sequences } = planClassification({ text: TEXT }, taskModel(model));
  const times = await inTurn(
    { bare: () => engine.run(sequences), served: () => client.classify({ text: TEXT }) },
    ROUNDS,
  );
  client.close();
  await engine.close();
  await app.close(0);
  const bare = timingOf(times.bare.slice(ROUNDS / 4));
  const served = timingOf(times.served.slice(ROUNDS / 4));
  return {
    bareMs: bare,
    servedMs: served,
    overheadMs: { p50: rounded(served.p50 - bare.p50), p99: rounded(served.p99 - bare.p99) },
  };
}

/** As many requests as the server's main thread can take when no model computes anything. */
async function nullModel(security: Security = NO_SECURITY) {
  return withServer("null", security, async (client, usage) => {
    const { requests, seconds } = await load(client, NULL_LOAD, usage);
    const used = await usage();
    return {
      requestsPerSecond: Math.round(requests / seconds),
      requestsPerCpuSecond: Math.round(requests / used.cpuSeconds),
      requestsPerMainThreadSecond: Math.round(requests / used.mainThreadSeconds),
    };
  });
}

/** How a server checks its callers, and what a client shows it. */
interface Security {
  readonly flags: Readonly<Record<string, string>>;
  readonly client: AlbertClientOptions;
}

const NO_SECURITY: Security = { flags: {}, client: {} };

/** Servers in turn, so that what else the machine does meets all of them alike. */
const SECURED_ROUNDS = 3;

/** What TLS 1.3 and a bearer token with each call cost on the null path, by calls in one second of processor time. */
export async function benchSecured() {
  const directory = mkdtempSync(join(tmpdir(), "albert-bench-"));
  try {
    const kinds = await securities(directory);
    const rates = kinds.map((): number[] => []);
    for (let round = 0; round < SECURED_ROUNDS; round++) {
      for (const [index, [, security]] of kinds.entries()) {
        rates[index]?.push((await nullModel(security)).requestsPerCpuSecond);
      }
    }
    const medians = rates.map((list) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0);
    return Object.fromEntries(
      kinds.map(([name], index) => [
        name,
        { requestsPerCpuSecond: medians[index], ratio: rounded((medians[index] ?? 0) / (medians[0] ?? 1)) },
      ]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function securities(directory: string): Promise<readonly (readonly [name: string, security: Security])[]> {
  const authority = await TestAuthority.create();
  const { certificateFile, keyFile } = tlsFiles(directory, await authority.issue(["dns:localhost", "ip:127.0.0.1"]));
  const { id, token } = newToken();
  const entry = { id, name: "bench", sha256: tokenHash(token), scopes: ["infer"], models: ["*"], created: 0 } as const;
  const tokensFile = join(directory, "tokens.json");
  writeFileSync(tokensFile, formatAccessList({ tokens: [entry], certificates: [] }));
  const tls = { "tls-certificate-file": certificateFile, "tls-key-file": keyFile };
  const tokens = { "auth-tokens-file": tokensFile };
  const channel = { tls: { ca: authority.pem } };
  return [
    ["plain", NO_SECURITY],
    ["tokens", { flags: tokens, client: { token } }],
    ["tls", { flags: tls, client: channel }],
    ["tlsAndTokens", { flags: { ...tls, ...tokens }, client: { ...channel, token } }],
  ];
}

/** A model of the base shape kept busy: the main thread must stay timely. */
async function underLoad() {
  return withServer("base", NO_SECURITY, async (client, usage) => {
    const { requests, seconds } = await load(client, BASE_LOAD, usage);
    const { largestGapMs } = await usage();
    return { requestsPerSecond: rounded(requests / seconds), largestEventLoopGapMs: rounded(largestGapMs) };
  });
}

/** Keeps `callers` requests in flight until all are answered; the server's counters start after the warm-up. */
async function load(
  client: AlbertClient,
  { callers, warmUp, measured }: typeof NULL_LOAD,
  usage: () => Promise<ServerUsage>,
) {
  const run = async (requests: number) => {
    let left = requests;
    const caller = async () => {
      while (left-- > 0) await client.classify({ text: TEXT });
    };
    await Promise.all(Array.from({ length: callers }, caller));
  };
  await run(warmUp);
  await usage();
  const startedAt = performance.now();
  await run(measured);
  return { requests: measured, seconds: (performance.now() - startedAt) / 1000 };
}

async function withServer<T>(
  kind: "null" | "base",
  { flags, client: options }: Security,
  measure: (client: AlbertClient, usage: () => Promise<ServerUsage>) => Promise<T>,
): Promise<T> {
  const server: ChildProcess = fork(join(import.meta.dirname, "grpc-server.ts"), [kind, JSON.stringify(flags)]);
  const [address] = await once(server, "message");
  const client = connectAlbert(address as string, { deadlineMs: 60_000, ...options });
  try {
    return await measure(client, async () => {
      server.send("usage");
      const [usage] = await once(server, "message");
      return usage as ServerUsage;
    });
  } finally {
    client.close();
    server.kill();
  }
}
