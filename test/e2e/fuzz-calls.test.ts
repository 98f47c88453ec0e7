import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DescMethod, type DescService, fromBinary, toJson } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status as Status } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { DatasetService, TrainingService } from "../../src/gen/albert/v1/training_pb.js";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { GRPCInferenceService } from "../../src/gen/inference/open_inference_pb.js";
import { exportHuggingFace } from "../../src/model/checkpoint/export-checkpoint.ts";
import { methodName } from "../../src/server/access/routes.ts";
import { anyMessage } from "../support/any-message.ts";
import { tinyModel } from "../support/models/tiny-model.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { mutatedBytes, mutatedJson } from "../support/mutations.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

// Messages that are valid and senseless, and damaged ones, for every method of every service, over gRPC and as JSON, and for
// the paths of the Open Inference Protocol. ALBERT_TEST_FUZZ is how many messages all methods are given together.

const PUBLIC: readonly DescService[] = [InferenceService, GRPCInferenceService, Health, ServerReflection];
const ADMIN: readonly DescService[] = [ModelService, TrainingService, DatasetService];
const METHODS = [...PUBLIC, ...ADMIN].flatMap((service) => service.methods);
const ALBERT = METHODS.filter(({ parent }) => parent.typeName.startsWith("albert."));
const ASKED = process.env["ALBERT_TEST_FUZZ"];
/** Messages a method and transport. */
const RUNS = ASKED === undefined ? 24 : Math.ceil(Number(ASKED) / METHODS.length);
/** As many calls go on at the same time. */
const TOGETHER = 8;
const STREAM_MS = 300;
/** Strings that mean something to the server. */
const KNOWN = [
  "tiny",
  "v1",
  "1",
  "champion",
  "tiny@1",
  "model/tiny",
  "sentiment",
  "classification",
  "train.jsonl",
  "checkpoint",
];

const base = mkdtempSync(join(tmpdir(), "albert-fuzz-"));
let server: RunningServer;
let publicClient: Client;
let adminClient: Client;

beforeAll(async () => {
  mkdirSync(join(base, "data"));
  writeFileSync(join(base, "data/train.jsonl"), moodRows(20, 0));
  await exportHuggingFace(join(base, "checkpoint"), tinyModel());
  const directory = await writeTinyModel(ALL_HEADS);
  server = await runServer({
    // The second is named by no message, so that nothing happens to it.
    models: ["tiny", "kept"].map((name) => ({ name, directory })),
    config: {
      store: { directory: join(base, "store"), checkpointRoots: [base] },
      training: { datasetRoots: [join(base, "data")], priority: "normal" },
    },
  });
  publicClient = new Client(server.app.addresses.public, credentials.createInsecure());
  adminClient = new Client(server.app.addresses.admin!, credentials.createInsecure());
});
afterAll(async () => {
  publicClient.close();
  adminClient.close();
  await server.close();
  rmSync(base, { recursive: true, force: true });
});

/** What the caller of one call sees. */
interface Seen {
  readonly code: number;
  readonly words: string;
}

function call(method: DescMethod, bytes: Uint8Array): Promise<Seen> {
  const client = ADMIN.includes(method.parent) ? adminClient : publicClient;
  const path = `/${methodName(method)}`;
  const same = (message: Buffer) => message;
  const message = Buffer.from(bytes);
  const deadline = (milliseconds: number) => ({ deadline: Date.now() + milliseconds });
  return new Promise((resolve) => {
    const end = (error: ServiceError | null) => {
      const details = error?.metadata
        ?.get("grpc-status-details-bin")
        .map((value) => Buffer.from(value).toString("latin1"));
      resolve({ code: error?.code ?? Status.OK, words: `${error?.details ?? ""} ${details?.join() ?? ""}` });
    };
    if (method.methodKind === "unary") {
      client.makeUnaryRequest(path, same, same, message, new Metadata(), deadline(20_000), end);
      return;
    }
    const duplex =
      method.methodKind === "bidi_streaming"
        ? client.makeBidiStreamRequest(path, same, same, new Metadata(), deadline(STREAM_MS))
        : undefined;
    const stream =
      duplex ?? client.makeServerStreamRequest(path, same, same, message, new Metadata(), deadline(STREAM_MS));
    stream.on("error", end).on("end", () => end(null));
    stream.on("data", () => {});
    duplex?.write(message);
    duplex?.end();
  });
}

/** A failure that says too much, or that is the server's own. */
function expectAnswer({ code, words }: Seen): void {
  expect({ code: Status[code], words }).not.toMatchObject({
    code: expect.stringMatching(/^(INTERNAL|UNKNOWN|DATA_LOSS)$/),
  });
  expectSilence(words);
}

function expectSilence(words: string): void {
  expect(words).not.toMatch(/\n\s+at |node_modules|file:\/\/|src\/\w+\//);
  expect(words).not.toContain(base);
}

/** Sends many, some at the same time, and then asks whether the server still answers others. */
async function fuzz(message: fc.Arbitrary<unknown>, send: (message: never) => Promise<void>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: TOGETHER, maxLength: TOGETHER }), async (messages) => {
      await Promise.all(messages.map((each) => send(each as never)));
    }),
    { numRuns: Math.ceil(RUNS / TOGETHER) },
  );
  const { labels } = await server.client.classify({ text: "cat", options: { model: "kept", head: "sentiment" } });
  expect(labels).toHaveLength(2);
}

const damaged = (message: fc.Arbitrary<Uint8Array>) => message.chain((bytes) => mutatedBytes(bytes));
const messageOf = ({ input }: DescMethod) => {
  const whole = anyMessage(input, KNOWN);
  return fc.oneof({ weight: 2, arbitrary: whole }, { weight: 1, arbitrary: damaged(whole) });
};

describe("any message", { timeout: 3_600_000 }, () => {
  it.each(METHODS.map((method) => [methodName(method), method] as const))(
    "to %s is answered or refused, and says nothing of the server",
    (_, method) => fuzz(messageOf(method), async (bytes) => expectAnswer(await call(method, bytes))),
  );

  it.each(
    ALBERT.filter(({ methodKind }) => methodKind === "unary").map((method) => [methodName(method), method] as const),
  )("to %s as JSON, too", (path, method) => {
    const asJson = anyMessage(method.input, KNOWN)
      .map((bytes) => toJson(method.input, fromBinary(method.input, bytes)))
      .chain((json) => fc.oneof(fc.constant(json), mutatedJson(json)));
    const text = asJson.map((json) => Buffer.from(JSON.stringify(json) ?? ""));
    return fuzz(fc.oneof({ weight: 3, arbitrary: text }, damaged(text)), (body) => post(`/${path}`, body));
  });

  const request = {
    id: "1",
    parameters: { top_k: 1, head: "sentiment" },
    inputs: [{ name: "text", shape: [2], datatype: "BYTES", data: ["cat", "dog"], parameters: {} }],
    outputs: [{ name: "label", parameters: {} }],
  };
  it.each(["/v2/models/tiny/infer", "/v2/models/tiny/versions/1/infer", "/v2/repository/index"])(
    "to %s, too",
    (path) => {
      const text = mutatedJson(request).map((json) => Buffer.from(JSON.stringify(json) ?? ""));
      return fuzz(fc.oneof({ weight: 3, arbitrary: text }, damaged(text)), (body) => post(path, body));
    },
  );
});

async function post(path: string, body: Uint8Array): Promise<void> {
  const reply = await fetch(`http://${server.app.addresses.console}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const words = await reply.text();
  expect([path, reply.status, words]).not.toEqual([path, 500, words]);
  expectSilence(words);
}
