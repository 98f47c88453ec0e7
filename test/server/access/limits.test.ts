import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAccessList, type TokenEntry } from "../../../src/access/access-file.ts";
import type { OwnLimits } from "../../../src/access/caller-limits.ts";
import { newToken, tokenHash } from "../../../src/access/tokens.ts";
import { type AlbertClient, connectAlbert } from "../../../src/client/albert-client.ts";
import type { CallError } from "../../../src/client/call-error.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";

const OPTIONS = { options: { model: "tiny", head: "sentiment" } };
const REQUEST = { text: "a cat", ...OPTIONS };

let scratch: string;
let server: RunningServer;
const secrets = new Map<string, string>();
const entries: TokenEntry[] = [];
const opened: AlbertClient[] = [];

function allow(name: string, limits: OwnLimits): void {
  const { id, token } = newToken();
  entries.push({ id, name, sha256: tokenHash(token), scopes: ["infer", "read"], models: ["*"], created: 0, limits });
  secrets.set(name, token);
}
function as(name: string): AlbertClient {
  const client = connectAlbert(server.address, { maxAttempts: 1, token: secrets.get(name)! });
  opened.push(client);
  return client;
}
const post = (path: string, name: string, body: object) =>
  fetch(`http://${server.app.addresses.console}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secrets.get(name)}` },
    body: JSON.stringify(body),
  });
const outcome = (call: Promise<unknown>): Promise<CallError | undefined> =>
  call.then(
    () => undefined,
    (error: CallError) => error,
  );
const refusals = async (limit: string): Promise<number> =>
  Number(
    new RegExp(`^albert_caller_limit_refusals_total\\{limit="${limit}"\\} (\\d+)`, "m").exec(
      await server.metrics(),
    )?.[1] ?? 0,
  );

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "albert-limits-"));
  const tokensFile = join(scratch, "tokens.json");
  allow("free", {});
  // 1 every 50 s, of which the burst holds one: no test is so slow that another comes in.
  for (const name of ["grpc", "connect", "rest"]) allow(name, { requests_per_second: 0.02 });
  allow("batch", { requests_per_second: 0.02 });
  allow("stream", { requests_per_second: 40 });
  allow("tokens", { tokens_per_second: 0.1 });
  allow("bytes", { bytes_per_second: 1 });
  allow("bytes-connect", { bytes_per_second: 1 });
  allow("bytes-rest", { bytes_per_second: 1 });
  allow("streams", { streams: 2 });
  writeFileSync(tokensFile, formatAccessList({ tokens: entries, certificates: [] }));
  const models = [{ name: "tiny", directory: await writeTinyModel() }];
  server = await runServer({ models, config: { auth: { tokensFile } } });
});
afterAll(async () => {
  for (const client of opened) client.close();
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
});

describe("a caller beyond its requests a second", () => {
  it("is refused over gRPC with the time to come back; others are not, nor are probes", async () => {
    const client = as("grpc");
    await client.classify(REQUEST);
    const error = await outcome(client.classify(REQUEST));
    expect(error).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "CALLER_LIMIT",
      metadata: { limit: "requests_per_second" },
    });
    expect(error?.retryAfterMs).toBeGreaterThan(30_000);
    expect(await outcome(as("free").classify(REQUEST))).toBeUndefined();
    expect(await refusals("requests_per_second")).toBeGreaterThan(0);
  });

  it("is refused over Connect with 429 and Retry-After", async () => {
    const path = "/albert.v1.InferenceService/Classify";
    expect((await post(path, "connect", REQUEST)).status).toBe(200);
    const refused = await post(path, "connect", REQUEST);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(30);
    expect(await refused.json()).toMatchObject({ code: "resource_exhausted" });
  });

  it("is refused over REST with 429 and Retry-After, but sees whether a model is ready", async () => {
    const inputs = [{ name: "text", datatype: "BYTES", shape: [1], data: ["a cat"] }];
    expect((await post("/v2/models/tiny/infer", "rest", { inputs })).status).toBe(200);
    const refused = await post("/v2/models/tiny/infer", "rest", { inputs });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(30);
    const ready = await fetch(`http://${server.app.addresses.console}/v2/health/ready`);
    expect(ready.status).toBe(200);
  });

  it("pays for each item of a batch that was let in", async () => {
    const client = as("batch");
    const item = { request: { case: "classify", value: REQUEST } } as const;
    const { results } = await client.batchInfer({ items: [item, item, item] });
    expect(results.map(({ outcome: { case: kind } }) => kind)).toEqual(["classify", "classify", "classify"]);
    expect((await outcome(client.classify(REQUEST)))?.retryAfterMs).toBeGreaterThan(120_000);
  });

  it("streams no faster, and loses no item", async () => {
    const item = { message: { case: "item", value: { request: { case: "classify", value: REQUEST } } } } as const;
    async function* items() {
      for (let index = 0; index < 120; index++) yield item;
    }
    const startedAt = performance.now();
    let answered = 0;
    for await (const { message } of as("stream").streamInfer(items())) {
      if (message.case === "result" && message.value.outcome.case === "classify") answered += 1;
    }
    expect(answered).toBe(120);
    // A burst of 80, then 40 a second.
    expect(performance.now() - startedAt).toBeGreaterThan(900);
  });
});

it("tokens are counted when they are known", async () => {
  const client = as("tokens");
  await client.classify(REQUEST);
  expect(await outcome(client.classify(REQUEST))).toMatchObject({ metadata: { limit: "tokens_per_second" } });
});

it("bytes are counted on every transport, however they are packed", async () => {
  const request = { text: "a cat, a dog", ...OPTIONS };
  await as("bytes").tokenize(request);
  expect(await outcome(as("bytes").tokenize(request))).toMatchObject({ metadata: { limit: "bytes_per_second" } });
  const path = "/albert.v1.InferenceService/Tokenize";
  expect((await post(path, "bytes-connect", request)).status).toBe(200);
  expect((await post(path, "bytes-connect", request)).status).toBe(429);
  const inputs = [{ name: "text", datatype: "BYTES", shape: [1], data: [request.text] }];
  expect((await post("/v2/models/tiny/infer", "bytes-rest", { inputs })).status).toBe(200);
  expect((await post("/v2/models/tiny/infer", "bytes-rest", { inputs })).status).toBe(429);
});

it("streams are counted over all connections of a caller, until they end", async () => {
  const open = () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const nothing = {
      [Symbol.asyncIterator]: () => ({ next: () => ended.then(() => ({ done: true as const, value: undefined })) }),
    };
    const replies = as("streams").streamInfer(nothing)[Symbol.asyncIterator]();
    return { first: replies.next(), end, rest: () => replies.next() };
  };
  const [one, two] = [open(), open()];
  await Promise.all([one.first, two.first]);
  const three = open();
  expect(await outcome(three.first)).toMatchObject({ metadata: { limit: "streams", value: "2" } });
  one.end();
  await one.rest();
  const four = open();
  expect(await outcome(four.first)).toBeUndefined();
  for (const stream of [two, three, four]) stream.end();
});

it("ten thousand made-up names of models add no series", async () => {
  const client = as("free");
  const series = async () => (await server.metrics()).split("\n").filter((line) => /^(albert|rpc)_/.test(line));
  const ask = async (from: number, count: number) => {
    const items = Array.from({ length: count }, (_, index) => {
      const value = { text: "a cat", options: { model: `made-up-${from + index}` } };
      return { request: { case: index % 2 === 0 ? "classify" : "tokenize", value } } as const;
    });
    const { results } = await client.batchInfer({ items });
    expect(results.every(({ outcome: { case: kind } }) => kind === "error")).toBe(true);
  };
  await ask(0, 2);
  const before = await series();
  for (let from = 0; from < 10_000; from += 100) await ask(from, 100);
  const after = await series();
  const names = (lines: readonly string[]) => lines.map((line) => line.slice(0, line.lastIndexOf(" ")));
  expect(names(after)).toEqual(names(before));
  expect(after.filter((line) => line.includes("made-up"))).toEqual([]);
});
