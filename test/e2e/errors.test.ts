import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { AlbertError } from "../../src/errors.ts";
import { InferenceService, StreamOrder } from "../../src/gen/albert/v1/inference_pb.js";
import { SearchService } from "../../src/gen/albert/v1/search_pb.js";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.js";
import type { Engine } from "../../src/runtime/engine.ts";
import { ERROR_ROWS, errorRow, GRPC_STATUS, STATUS_OF_CODE } from "../../src/server/errors/error-table.ts";
import { letterEncoder } from "../search/index/tiny-encoder.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import {
  compressedFailure,
  encoded,
  type Failure,
  failureOf,
  type RawCallOptions,
  rawFailure,
} from "../support/raw-call.ts";
import { type Overrides, type RunningServer, runServer } from "../support/running-server.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";
import { newIndexFile, writeIndex } from "../support/search-index.ts";

/** A word of the callers' texts that must never come back in an error, a log line or a metric. */
const CANARY = "xyzzycanary";

const { classify, chooseAnswer } = InferenceService.method;
const { findPassages } = SearchService.method;
/** An index by an encoder that no server here has, and a damaged one. */
const LETTERS = newIndexFile();
const DAMAGED = newIndexFile();
const SENTIMENT = { head: "sentiment" };

/** How one reason comes about. */
interface Case {
  readonly reason: string;
  readonly how: string;
  readonly config?: Overrides;
  /** Method under which the metric counts it; Classify unless given. */
  readonly method?: string;
  readonly provoke: (server: RunningServer) => Promise<Failure | undefined>;
}

function ask(server: RunningServer, text: string = CANARY, options: RawCallOptions = {}): Promise<Failure | undefined> {
  return rawFailure(server.address, classify, encoded(classify, { text, options: SENTIMENT }), options);
}

/** Lets the engine hold every batch until `release`; `held` resolves when the first one has come. */
function hold(server: RunningServer) {
  let release = () => {};
  let arrive = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  server.script.before = () => {
    arrive();
    return released;
  };
  return { held, release };
}

/** Asks once while another request keeps the device busy. */
async function askWhileBusy(server: RunningServer, options: RawCallOptions = {}, first: string = CANARY) {
  const { held, release } = hold(server);
  const busy = ask(server, first);
  await held;
  const failure = await ask(server, `another ${CANARY}`, options);
  release();
  expect(await busy).toBeUndefined();
  return failure;
}

const failing = (error: Error) => (server: RunningServer) => {
  server.script.before = () => {
    throw error;
  };
  return ask(server);
};

const CASES: readonly Case[] = [
  { reason: "FIELD_INVALID", how: "an empty text", provoke: (server) => ask(server, "") },
  { reason: "FIELD_INVALID", how: "only spaces", provoke: (server) => ask(server, " \u3000\t\n") },
  { reason: "FIELD_INVALID", how: "NUL", provoke: (server) => ask(server, `${CANARY}\0`) },
  {
    reason: "FIELD_INVALID",
    how: "bytes that are not UTF-8",
    provoke: (server) => rawFailure(server.address, classify, textBytes(Buffer.from([0x61, 0xff, 0xfe]))),
  },
  {
    reason: "FIELD_INVALID",
    how: "a lone surrogate, encoded like a character",
    provoke: (server) => rawFailure(server.address, classify, textBytes(Buffer.from([0xed, 0xa0, 0x80]))),
  },
  {
    reason: "FIELD_INVALID",
    how: "bytes that are no message",
    provoke: (server) => rawFailure(server.address, classify, Buffer.from([0xff, 0xff, 0xff, 0xff])),
  },
  {
    reason: "FIELD_INVALID",
    how: "a message that ends too early",
    provoke: (server) => rawFailure(server.address, classify, textBytes(Buffer.from(CANARY)).subarray(0, 6)),
  },
  {
    reason: "FIELD_INVALID",
    how: "top_k 0",
    provoke: (server) =>
      rawFailure(server.address, classify, encoded(classify, { text: CANARY, topK: 0, options: SENTIMENT })),
  },
  {
    reason: "FIELD_INVALID",
    how: "an enum value that does not exist",
    provoke: (server) => {
      // An open enum takes any number on the wire, which its type does not say.
      const options = { ...SENTIMENT, priority: 9 as 1 };
      return rawFailure(server.address, classify, encoded(classify, { text: CANARY, options }));
    },
  },
  { reason: "FIELD_INVALID", how: "one choice", method: "ChooseAnswer", provoke: (server) => choose(server, 1) },
  { reason: "FIELD_INVALID", how: "65 choices", method: "ChooseAnswer", provoke: (server) => choose(server, 65) },
  { reason: "INPUT_TOO_LONG", how: "more tokens than fit", provoke: (server) => ask(server, `${CANARY} `.repeat(200)) },
  { reason: "MESSAGE_TOO_LARGE", how: "10 MB", provoke: (server) => ask(server, CANARY.repeat(1_000_000)) },
  {
    reason: "MESSAGE_TOO_LARGE",
    how: "a small message that decompresses to 10 MB",
    provoke: (server) =>
      compressedFailure(server.address, classify, "gzip", gzipSync(textBytes(Buffer.alloc(10_000_000, "a")))),
  },
  {
    reason: "CALL_UNSUPPORTED",
    how: "an unknown compression",
    provoke: (server) => compressedFailure(server.address, classify, "brotli", Buffer.from(CANARY)),
  },
  { reason: "CALL_UNSUPPORTED", how: "two messages for a call of one", provoke: twoMessages },
  {
    reason: "MODEL_NOT_FOUND",
    how: "an unknown model",
    provoke: (server) => {
      const request = { text: CANARY, options: { ...SENTIMENT, model: "tinny" } };
      return rawFailure(server.address, classify, encoded(classify, request));
    },
  },
  {
    reason: "VERSION_NOT_LOADED",
    how: "a version that is not there",
    provoke: (server) => {
      const options = { ...SENTIMENT, pin: { case: "version" as const, value: "77" } };
      return rawFailure(server.address, classify, encoded(classify, { text: CANARY, options }));
    },
  },
  {
    reason: "HEAD_MISSING",
    how: "a head the model lacks",
    provoke: (server) =>
      rawFailure(server.address, classify, encoded(classify, { text: CANARY, options: { head: "nope" } })),
  },
  {
    reason: "ENTAILMENT_MISSING",
    how: "labels of the request's own, asked of a head that knows no entailment",
    provoke: (server) =>
      rawFailure(server.address, classify, encoded(classify, { text: CANARY, candidateLabels: ["a", "b"] })),
  },
  {
    reason: "SERVICE_NOT_FOUND",
    how: "the health of something unknown",
    method: "grpc.health.v1.Health/Check",
    provoke: (server) => {
      const { check } = Health.method;
      return rawFailure(server.address, check, encoded(check, { service: "model/none" }));
    },
  },
  {
    reason: "INDEX_NOT_FOUND",
    how: "an index that is not there",
    method: "albert.v1.SearchService/FindPassages",
    provoke: (server) => search(server, "none"),
  },
  {
    reason: "INDEX_UNAVAILABLE",
    how: "an index whose file is damaged",
    method: "albert.v1.SearchService/FindPassages",
    config: { search: { indexes: [`damaged=${DAMAGED}`] } },
    provoke: (server) => search(server, "damaged"),
  },
  {
    reason: "INDEX_ENCODER",
    how: "an index that no served model made",
    method: "albert.v1.SearchService/FindPassages",
    config: { search: { indexes: [`letters=${LETTERS}`] } },
    provoke: (server) => search(server, "letters"),
  },
  {
    reason: "QUEUE_FULL",
    how: "more requests than the queue holds",
    config: { serving: { maxRequests: 1 } },
    provoke: (server) => askWhileBusy(server),
  },
  {
    reason: "MEMORY_BUDGET",
    how: "more bytes in progress than allowed",
    config: { server: { inflightBytes: 64 } },
    provoke: (server) => askWhileBusy(server, {}, `${CANARY} and more of that`),
  },
  {
    reason: "DEADLINE_UNREACHABLE",
    how: "a deadline that the queue makes impossible",
    provoke: (server) => {
      server.script.predictMs = (lengths) => 600 * lengths.length;
      return askWhileBusy(server, { deadlineMs: 1000 });
    },
  },
  {
    reason: "DEADLINE_TOO_SHORT",
    how: "a deadline shorter than the run",
    provoke: (server) => {
      server.script.predictMs = () => 60_000;
      return ask(server, CANARY, { deadlineMs: 20_000 });
    },
  },
  {
    reason: "DEADLINE_PASSED",
    how: "the server's own deadline while waiting for the device",
    config: { server: { defaultDeadlineMs: 100 } },
    provoke: async (server) => {
      const { release } = hold(server);
      const failure = await ask(server);
      release();
      return failure;
    },
  },
  {
    reason: "WARMING",
    how: "a model that is being loaded",
    provoke: async (server) => {
      let finish = (_: Engine) => {};
      const engine = new Promise<Engine>((resolve) => {
        finish = resolve;
      });
      server.loading.push(() => engine);
      const loading = server.app.serving.models.load({ name: "next", version: "1", open: () => server.open() });
      const failure = await askModel(server, "next");
      finish(scriptedEngine(await server.open(), server.script));
      await loading;
      return failure;
    },
  },
  {
    reason: "NO_VERSION",
    how: "a model that could not be loaded",
    provoke: async (server) => {
      server.loading.push(() => Promise.reject(new Error("no room")));
      await expect(
        server.app.serving.models.load({ name: "next", version: "1", open: () => server.open() }),
      ).rejects.toThrow("no room");
      return askModel(server, "next");
    },
  },
  {
    reason: "WORKER_LOST",
    how: "a worker that dies under every batch",
    provoke: failing(new AlbertError("unavailable", "died", { reason: "WORKER_LOST" })),
  },
  {
    reason: "WORKER_STALLED",
    how: "a worker that stops answering",
    provoke: failing(new AlbertError("unavailable", "stalled", { reason: "WORKER_STALLED" })),
  },
  {
    reason: "ENGINE_CLOSED",
    how: "a session that was closed",
    provoke: failing(new AlbertError("unavailable", "closed", { reason: "ENGINE_CLOSED" })),
  },
  {
    reason: "RUNTIME_REFUSED",
    how: "a runtime that refuses everything",
    provoke: failing(new AlbertError("backend", "/tmp/secret.onnx", { reason: "RUNTIME_REFUSED" })),
  },
  {
    reason: "BATCH_FAILED",
    how: "a runtime that fails on everything",
    provoke: failing(new AlbertError("backend", "/tmp/secret.onnx", { reason: "BATCH_FAILED" })),
  },
  {
    reason: "BACKEND_FAILED",
    how: "an engine that returns too few outputs",
    provoke: (server) => {
      server.script.drop = true;
      server.script.before = (sequences) => {
        if (sequences.some(({ outputs }) => outputs.length > 1)) throw new Error("nor does it compute a known input");
      };
      return ask(server);
    },
  },
  { reason: "POISON", how: "an input that fails alone", provoke: poison },
  {
    reason: "QUARANTINED",
    how: "an input that failed before",
    provoke: async (server) => {
      await poison(server);
      return ask(server);
    },
  },
  {
    reason: "NON_FINITE",
    how: "NaN in the logits",
    provoke: (server) => {
      server.script.value = Number.NaN;
      return ask(server);
    },
  },
  { reason: "BUG", how: "an error nobody foresaw", provoke: failing(new TypeError(`/etc/passwd ${CANARY}`)) },
];

/** Reasons of calls that end on the caller's side first, or of other services; each has its own test. */
const ELSEWHERE = [
  // below, as they need a stream or a look at the metrics
  "CANCELLED",
  "DRAINING",
  // of a server with tokens: test/server/access
  "CREDENTIALS_REFUSED",
  "NOT_ALLOWED",
  "CALLER_LIMIT",
  // a thread beyond its memory: test/platform/threads
  "WORK_TOO_LARGE",
  // the services for administrators
  "GENERATION_MISMATCH",
  "VERSION_IN_USE",
  "MEMORY_INSUFFICIENT",
  "THREAD_LOST",
  "SELF_CHECK_FAILED",
  "DIGEST_MISMATCH",
  "DEVICE_UNAVAILABLE",
];

describe("every reason for which a call can fail", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await writeTinyModel();
    await writeIndex({ "a.txt": "The cat sat." }, letterEncoder(), LETTERS);
    writeFileSync(DAMAGED, readFileSync(LETTERS).subarray(0, 900));
  });
  const run = (config: Overrides = {}) => runServer({ models: [{ name: "tiny", directory }], config });

  it("is in the table of this test", () => {
    const tested = new Set([...CASES.map(({ reason }) => reason), ...ELSEWHERE]);
    expect(ERROR_ROWS.map(({ reason }) => reason).filter((reason) => !tested.has(reason))).toEqual([]);
  });

  for (const { reason, how, config, method = "Classify", provoke } of CASES) {
    it(`${reason}: ${how}`, async () => {
      const server = await run(config);
      try {
        const failure = await provoke(server);
        const row = errorRow(reason)!;
        const status = STATUS_OF_CODE[row.code];
        expect(failure).toMatchObject({ reason, status });
        expect(failure!.details).toContain("ErrorInfo");
        if (row.detail !== "none") expect(failure!.details).toContain(row.detail);
        if (row.retry === "later") {
          expect(Number(failure!.pushback)).toBeGreaterThan(0);
          expect(failure!.details).toContain("RetryInfo");
        } else expect(failure!.pushback).toBe(row.retry === "no" ? "-1" : undefined);
        expect(Object.keys(failure!.metadata).filter((key) => !row.metadata?.includes(key))).toEqual([]);

        const full = method.includes("/") ? method : `albert.v1.InferenceService/${method}`;
        const page = await server.metrics();
        expect(page).toContain(
          `rpc_server_call_duration_seconds_count{rpc_method="${full}",rpc_status_code="${status}"} 1`,
        );
        expect(failure!.text).not.toContain(CANARY);
        expect(failure!.text).not.toMatch(/\/(tmp|etc|work|home|usr)\//);
        expect(page).not.toContain(CANARY);
        // The stack of a bug may quote anything; that is why it is in the log and nowhere else.
        if (reason !== "BUG") expect(server.log.join("\n")).not.toContain(CANARY);

        Object.assign(server.script, { before: undefined, value: undefined, predictMs: undefined, drop: undefined });
        expect(await ask(server, "a good film")).toBeUndefined();
      } finally {
        await server.close();
      }
    });
  }

  it("lists all violations of a request, of fields and of enums, together", async () => {
    const server = await run();
    const options = { ...SENTIMENT, truncation: 7 as 1 };
    const failure = await rawFailure(server.address, classify, encoded(classify, { text: "", topK: 0, options }));
    expect(failure!.violations.map((violation) => violation.split(":")[0])).toEqual([
      "options.truncation",
      "text",
      "top_k",
    ]);
    await server.close();
  });

  it("CANCELLED: what the caller gives up never reaches the device, and is counted by stage", async () => {
    const server = await run({ serving: { maxRequests: 8 } });
    const { held, release } = hold(server);
    const busy = [ask(server), ask(server, "b"), ask(server, "c")];
    await held;
    const abort = new AbortController();
    const given = server.client.classify({ text: `given up ${CANARY}`, options: SENTIMENT }, { signal: abort.signal });
    await vi.waitFor(async () => {
      expect(await server.metrics()).toContain('albert_inflight_requests{task="classify"} 4');
    });
    abort.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    await vi.waitFor(async () => expect(await server.metrics()).toMatch(/albert_cancelled_total\{stage="queue"\} 1/));
    expect(await server.metrics()).toContain('albert_inflight_requests{task="classify"} 3');
    release();
    expect(await Promise.all(busy)).toEqual([undefined, undefined, undefined]);
    expect(await ask(server, "after")).toBeUndefined();
    await server.close();
  });

  it("DRAINING: a stream answers what it has in hand and ends when the server shuts down", async () => {
    const server = await run();
    const { held, release } = hold(server);
    const value = {
      correlationId: "1",
      request: { case: "classify" as const, value: { text: "a", options: SENTIMENT } },
    };
    const messages = async function* () {
      yield { message: { case: "settings" as const, value: { order: StreamOrder.REQUEST } } };
      yield { message: { case: "item" as const, value } };
      await new Promise(() => {});
    };
    const results: string[] = [];
    const reading = (async () => {
      for await (const { message } of server.client.streamInfer(messages())) {
        if (message.case === "result") results.push(message.value.outcome.case ?? "");
      }
    })();
    await held;
    const closing = server.app.close(0);
    release();
    await expect(reading).rejects.toMatchObject({ status: "UNAVAILABLE", reason: "DRAINING" });
    expect(results).toEqual(["classify"]);
    expect(await closing).toBe(true);
    server.client.close();
  });
});

/** A ClassifyRequest whose text is these bytes, whatever they are. */
function textBytes(text: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = text.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([0x12, ...length]), text]);
}

function search(server: RunningServer, index: string): Promise<Failure | undefined> {
  return rawFailure(server.address, findPassages, encoded(findPassages, { index, query: CANARY }));
}

function choose(server: RunningServer, count: number): Promise<Failure | undefined> {
  const choices = Array.from({ length: count }, (_, i) => `${CANARY} ${i}`);
  return rawFailure(server.address, chooseAnswer, encoded(chooseAnswer, { question: CANARY, choices }));
}

function askModel(server: RunningServer, model: string): Promise<Failure | undefined> {
  return rawFailure(server.address, classify, encoded(classify, { text: CANARY, options: { ...SENTIMENT, model } }));
}

/** Fails on the canary's input only; the same batch without it succeeds. */
function poison(server: RunningServer): Promise<Failure | undefined> {
  server.script.before = (sequences) => {
    if (sequences.some(({ outputs }) => outputs.length === 1 && outputs[0] === "sentiment")) {
      throw new AlbertError("backend", "bad shape", { reason: "BATCH_FAILED" });
    }
  };
  return ask(server);
}

/** Opens the call as a stream, so that two messages can be sent. */
function twoMessages(server: RunningServer): Promise<Failure | undefined> {
  const client = new Client(server.address, credentials.createInsecure());
  const bytes = encoded(classify, { text: CANARY, options: SENTIMENT });
  const identity = (message: Buffer) => message;
  const path = `/${InferenceService.typeName}/Classify`;
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(path, identity, identity, new Metadata());
    call.on("data", () => {});
    call.on("error", (error: ServiceError) => resolve(failureOf(error)));
    call.on("status", ({ code }) => {
      client.close();
      if (code === GRPC_STATUS.OK) resolve(undefined);
    });
    call.write(bytes);
    call.write(bytes);
    call.end();
  });
}
