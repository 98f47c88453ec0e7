import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { formatAccessList } from "../src/access/access-file.ts";
import { newToken, tokenHash } from "../src/access/tokens.ts";
import { startApp } from "../src/app.ts";
import { type AlbertClient, connectAlbert } from "../src/client/albert-client.ts";
import { loadConfig } from "../src/config/load.ts";
import { openEngine } from "../src/runtime/packed-engine.ts";
import { planClassification } from "../src/tasks/classification/classification.ts";
import { taskModel } from "../src/tasks/plan.ts";
import { TestAuthority, tlsFiles } from "../test/support/test-certificates.ts";
import { benchModel } from "./bench-model.ts";
import { keepCalling, type Start, startServer } from "./measured-server.ts";
import type { ServerUsage } from "./report-usage.ts";
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
async function nullModel(form: Form = PLAIN) {
  return withServer("null", form, async (client, usage) => {
    const { requests, seconds } = await load(client, NULL_LOAD, usage, form.different);
    const used = await usage();
    return {
      requestsPerSecond: Math.round(requests / seconds),
      requestsPerCpuSecond: Math.round(requests / used.cpuSeconds),
      requestsPerMainThreadSecond: Math.round(requests / used.mainThreadSeconds),
    };
  });
}

/** Requests in one second of the server's processor time, most of which a model of base shape takes. */
async function baseModel(form: Form) {
  return withServer("base", form, async (client, usage) => {
    const { requests } = await load(client, BASE_LOAD, usage);
    const used = await usage();
    return { requestsPerCpuSecond: rounded(requests / used.cpuSeconds) };
  });
}

/** A server to measure: its flags and environment, the checkout that it runs from, and what a client shows it. */
interface Form extends Start {
  readonly flags?: Readonly<Record<string, string>>;
  /** Whether no two requests are equal. */
  readonly different?: true;
}

const PLAIN: Form = {};

/** Servers in turn, so that what else the machine does meets all of them alike. */
const FORM_ROUNDS = 3;

/** What TLS 1.3 and a bearer token with each call cost on the null path, by calls in one second of processor time. */
export async function benchSecured() {
  const directory = mkdtempSync(join(tmpdir(), "albert-bench-"));
  try {
    return await compareForms(await securities(directory), FORM_ROUNDS);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What keeping answers costs on the null path where none is found, and saves where each is. */
export async function benchCached() {
  const flags = { "serving-cache-bytes": "100000000" };
  return compareForms(
    [
      ["off", { different: true }],
      ["neverFound", { flags, different: true }],
      ["alwaysFound", { flags }],
    ],
    CACHED_ROUNDS,
  );
}
const CACHED_ROUNDS = 5;

/** More of them than for security: what is looked for is smaller. */
const TRACED_ROUNDS = 7;

/**
 * What tracing costs where no model computes anything, and with one of base shape: off, with one call in a hundred kept, and with all of them. Spans are sent to a collector here that throws them away. With
 * `--baseline CHECKOUT` the server of another checkout comes first, such as one from before there were traces: what off costs.
 */
export async function benchTraced(_flags: ReadonlySet<string>, { baseline }: Readonly<Record<string, unknown>>) {
  const collector = createServer((request, response) => request.resume().on("end", () => response.end()));
  await once(collector.listen(0, "127.0.0.1"), "listening");
  const { port } = collector.address() as AddressInfo;
  const kept = (share: string): Form => ({
    flags: { "tracing-exporter": "otlp" },
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: share,
    },
  });
  try {
    const forms = [
      ...(typeof baseline === "string" ? [["baseline", { checkout: resolve(baseline) }] as const] : []),
      ["off", PLAIN],
      ["onePercent", kept("0.01")],
      ["all", kept("1")],
    ] as const;
    return {
      nullModel: await compareForms(forms, TRACED_ROUNDS),
      baseModel: await compareForms(forms, TRACED_ROUNDS, baseModel),
    };
  } finally {
    collector.close();
  }
}

/** Calls in one second of processor time for each form, medians over rounds in turn, and their ratios to the first. */
async function compareForms(
  forms: readonly (readonly [name: string, form: Form])[],
  rounds: number,
  measure: (form: Form) => Promise<{ readonly requestsPerCpuSecond: number }> = nullModel,
) {
  const rates = forms.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, form]] of forms.entries()) rates[index]?.push((await measure(form)).requestsPerCpuSecond);
  }
  const medians = rates.map((list) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0);
  return Object.fromEntries(
    forms.map(([name], index) => [
      name,
      { requestsPerCpuSecond: medians[index], ratio: rounded((medians[index] ?? 0) / (medians[0] ?? 1)) },
    ]),
  );
}

async function securities(directory: string): Promise<readonly (readonly [name: string, form: Form])[]> {
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
    ["plain", PLAIN],
    ["tokens", { flags: tokens, client: { token } }],
    ["tls", { flags: tls, client: channel }],
    ["tlsAndTokens", { flags: { ...tls, ...tokens }, client: { ...channel, token } }],
  ];
}

/** A model of the base shape kept busy: the main thread must stay timely. */
async function underLoad() {
  return withServer("base", PLAIN, async (client, usage) => {
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
  different = false,
) {
  let asked = 0;
  const call = () => client.classify({ text: different ? `${TEXT} ${asked++}` : TEXT });
  await keepCalling(callers, warmUp, call);
  await usage();
  const startedAt = performance.now();
  await keepCalling(callers, measured, call);
  return { requests: measured, seconds: (performance.now() - startedAt) / 1000 };
}

async function withServer<T>(
  kind: "null" | "base",
  { flags = {}, ...start }: Form,
  measure: (client: AlbertClient, usage: () => Promise<ServerUsage>) => Promise<T>,
): Promise<T> {
  const server = await startServer("grpc-server.ts", [kind, JSON.stringify(flags)], start);
  try {
    return await measure(server.client, () => server.usage());
  } finally {
    server.stop();
  }
}
