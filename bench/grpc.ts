import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { startApp } from "../src/app.ts";
import { type AlbertClient, connectAlbert } from "../src/client/albert-client.ts";
import { loadConfig } from "../src/config/load.ts";
import { openEngine } from "../src/runtime/packed-engine.ts";
import { planClassification } from "../src/tasks/classification/classification.ts";
import { taskModel } from "../src/tasks/plan.ts";
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
  return { idleUnary: await idleUnary(), nullModel: await nullModel(), underLoad: await underLoad() };
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
async function nullModel() {
  return withServer("null", async (client, usage) => {
    const { requests, seconds } = await load(client, NULL_LOAD, usage);
    const used = await usage();
    return {
      requestsPerSecond: Math.round(requests / seconds),
      requestsPerCpuSecond: Math.round(requests / used.cpuSeconds),
      requestsPerMainThreadSecond: Math.round(requests / used.mainThreadSeconds),
    };
  });
}

/** A model of the base shape kept busy: the main thread must stay timely. */
async function underLoad() {
  return withServer("base", async (client, usage) => {
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
  measure: (client: AlbertClient, usage: () => Promise<ServerUsage>) => Promise<T>,
): Promise<T> {
  const server: ChildProcess = fork(join(import.meta.dirname, "grpc-server.ts"), [kind]);
  const [address] = await once(server, "message");
  const client = connectAlbert(address as string, { deadlineMs: 60_000 });
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
