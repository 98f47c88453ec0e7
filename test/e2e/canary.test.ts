import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAccessList, type TokenEntry } from "../../src/access/access-file.ts";
import { SCOPES, type Scope } from "../../src/access/scopes.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { type App, startApp } from "../../src/app.ts";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { DatasetService, TrainingService } from "../../src/gen/albert/v1/training_pb.js";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { GRPCInferenceService } from "../../src/gen/inference/open_inference_pb.js";
import { methodName } from "../../src/server/access/routes.ts";
import type { Span, Tracer } from "../../src/tracing/span.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { testConfig } from "../support/running-server.ts";

// A canary in every text of every request must be seen nowhere but in an answer to its own caller.

const PUBLIC: readonly DescService[] = [InferenceService, GRPCInferenceService, Health, ServerReflection];
const ADMIN: readonly DescService[] = [ModelService, TrainingService, DatasetService];
const METHODS = [...PUBLIC, ...ADMIN].flatMap((service) => service.methods);

const WORD = "Kanarienvogel";
/** No name: names are written to logs, texts are not. */
let hatched = 0;
const canary = () => `a ${WORD} ${hatched++}`;

/** Fields that choose what a request is about; with these as they should be, its texts reach all that works on them. */
const CHOOSES: Readonly<Record<string, unknown>> = {
  options: { model: "tiny" },
  model: "tiny",
  modelName: "tiny",
  labels: [],
};

/** So that no request need name its head. */
const ONE_OF_A_KIND = ALL_HEADS.filter(({ name }) => ["sentiment", "span", "choice", "words"].includes(name));

interface Filling {
  /** Texts only: whatever chooses a model chooses one that there is. */
  readonly valid: boolean;
  /** Which case each oneof has. */
  readonly oneof: number;
}

/** A message with a canary wherever it can hold a text. */
function filled(desc: DescMessage, filling: Filling, depth = 0): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of desc.fields) {
    if (field.oneof !== undefined && field.oneof.fields.indexOf(field) !== filling.oneof % field.oneof.fields.length)
      continue;
    const value =
      filling.valid && Object.hasOwn(CHOOSES, field.localName)
        ? CHOOSES[field.localName]
        : filledField(field, filling, depth);
    if (value === undefined) continue;
    if (field.oneof === undefined) message[field.localName] = value;
    else message[field.oneof.localName] = { case: field.localName, value };
  }
  return message;
}

function filledField(field: DescField, filling: Filling, depth: number): unknown {
  const textOf = (type: number | undefined) => {
    if (type === 9) return canary();
    return type === 12 ? Buffer.from(canary()) : undefined;
  };
  if (depth > 5) return undefined;
  switch (field.fieldKind) {
    case "scalar":
      return textOf(field.scalar);
    case "message":
      return filled(field.message, filling, depth + 1);
    case "list": {
      if (field.listKind === "enum") return undefined;
      const one = () =>
        field.listKind === "message" ? filled(field.message, filling, depth + 1) : textOf(field.scalar);
      return one() === undefined ? undefined : [one(), one()];
    }
    case "map": {
      const value = field.mapKind === "message" ? filled(field.message, filling, depth + 1) : textOf(field.scalar);
      return value === undefined ? undefined : { [canary()]: value };
    }
    default:
      return undefined;
  }
}

/** Everything that a server says in answer to a call, as text: replies, status, details, trailers. */
function answerTo(
  client: Client,
  method: DescMethod,
  message: Record<string, unknown>,
  token: string,
): Promise<string> {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  const path = `/${methodName(method)}`;
  const encode = (value: Record<string, unknown>) => Buffer.from(toBinary(method.input, create(method.input, value)));
  const said: string[] = [];
  const decode = (bytes: Buffer) => said.push(bytes.toString("latin1"));
  const note = (error: ServiceError) => {
    said.push(String(error.code), error.details, error.metadata === undefined ? "" : trailersOf(error.metadata));
  };
  const options = { deadline: Date.now() + (method.methodKind === "unary" ? 20_000 : 400) };
  return new Promise((resolve) => {
    const end = () => resolve(said.join("\n"));
    if (method.methodKind === "unary") {
      client.makeUnaryRequest(path, encode, decode, message, metadata, options, (error) => {
        if (error !== null) note(error);
        end();
      });
      return;
    }
    const duplex =
      method.methodKind === "bidi_streaming"
        ? client.makeBidiStreamRequest(path, encode, decode, metadata, options)
        : undefined;
    const stream: ClientReadableStream<unknown> =
      duplex ?? client.makeServerStreamRequest(path, encode, decode, message, metadata, options);
    stream.on("data", () => {});
    stream.on("error", note).on("status", end);
    duplex?.write(message);
    duplex?.end();
  });
}

function trailersOf(metadata: Metadata): string {
  const values = Object.keys(metadata.getMap()).flatMap((key) => metadata.get(key));
  return values.map((value) => (typeof value === "string" ? value : value.toString("latin1"))).join("\n");
}

/** What must be in no answer: a trace of calls, or where the server keeps its files. */
const INSIDES = /\n\s+at |\bat [\w.<>]+ \(|\.[cm]?[jt]s:\d+|node_modules|file:\/\//;

describe("a canary in every text of every call", () => {
  const scratch = mkdtempSync(join(tmpdir(), "albert-canary-"));
  const logged: string[] = [];
  const traced: string[] = [];
  const entries: TokenEntry[] = [];
  let app: App;
  const clients: Client[] = [];
  const all = Object.keys(SCOPES) as Scope[];
  const add = (name: string): string => {
    const { id, token } = newToken();
    entries.push({ id, name, sha256: tokenHash(token), scopes: all, models: ["*"], created: 0 });
    return token;
  };
  const [asker, other] = [add("asker"), add("other")];

  beforeAll(async () => {
    const tokensFile = join(scratch, "tokens.json");
    writeFileSync(tokensFile, formatAccessList({ tokens: entries, certificates: [] }));
    for (const name of ["data", "checkpoints"]) writeFileSync(join(scratch, name), "");
    const write = (...args: readonly unknown[]) => {
      logged.push(JSON.stringify(args, (_, value) => (value instanceof Error ? [value.stack, { ...value }] : value)));
    };
    const log = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
    const span: Span = {
      context: { traceId: "0".repeat(32), spanId: "0".repeat(16), sampled: true },
      annotate: (attributes) => traced.push(JSON.stringify(attributes)),
      part: (part) => traced.push(JSON.stringify(part)),
      end: (error) => traced.push(String(error)),
    };
    const tracer: Tracer = {
      call: (...args) => {
        traced.push(JSON.stringify(args));
        return span;
      },
      event: (...args) => traced.push(JSON.stringify(args)),
      close: async () => {},
    };
    const config = testConfig({
      auth: { tokensFile, auditFile: join(scratch, "audit.jsonl") },
      store: { directory: join(scratch, "store"), checkpointRoots: [scratch] },
      training: { datasetRoots: [scratch] },
      tracing: { exporter: "otlp" },
      log: { level: "trace", slowRequestMs: 1 },
    });
    app = await startApp({ config, log, tracer }, [{ name: "tiny", directory: await writeTinyModel(ONE_OF_A_KIND) }]);
    for (const address of [app.addresses.public, app.addresses.admin!]) {
      clients.push(new Client(address, credentials.createInsecure()));
    }
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await app.close(0);
    rmSync(scratch, { recursive: true, force: true });
  });

  const clientOf = (method: DescMethod) => clients[ADMIN.includes(method.parent) ? 1 : 0]!;

  it("is heard by its caller alone: in no answer to another, no log line, audit, metric or trace", async () => {
    const oneofs = Math.max(...METHODS.flatMap(({ input }) => input.oneofs.map(({ fields }) => fields.length)), 7);
    const own: string[] = [];
    for (const method of METHODS) {
      for (const valid of [false, true]) {
        for (let oneof = 0; oneof < (method.input.oneofs.length > 0 || valid ? oneofs : 1); oneof++) {
          own.push(await answerTo(clientOf(method), method, filled(method.input, { valid, oneof }), asker));
          if (!hasOneof(method.input)) break;
        }
      }
    }
    // JSON, right and wrong; a credential that is none; a path that is none.
    const site = `http://${app.addresses.console}`;
    const headers = { "content-type": "application/json", authorization: `Bearer ${asker}` };
    const post = (path: string, body: string, more = {}) =>
      fetch(`${site}${path}`, { method: "POST", body, headers: { ...headers, ...more } });
    const replies = await Promise.all([
      post("/albert.v1.InferenceService/Classify", JSON.stringify({ text: canary(), options: { model: "tiny" } })),
      post("/albert.v1.InferenceService/Classify", JSON.stringify({ text: canary(), [canary()]: canary() })),
      post("/albert.v1.InferenceService/Classify", `{"text": "${canary()}`),
      post("/albert.v1.InferenceService/Classify", "{}", { authorization: `Bearer ${WORD}` }),
      post(
        "/v2/models/tiny/infer",
        JSON.stringify({ inputs: [{ name: canary(), datatype: canary(), shape: [1], data: [canary()] }] }),
      ),
      post("/v2/models/tiny/infer", `[${canary()}`),
      fetch(`${site}/${encodeURIComponent(canary())}`, { headers }),
    ]);
    for (const reply of replies) own.push(await reply.text());
    expect(hatched).toBeGreaterThan(500);
    // The texts reached what works on texts, and not only what refuses them.
    const answered = ["Classify", "AnswerQuestion", "ChooseAnswer", "Encode", "Tokenize", "BatchInfer", "StreamInfer"];
    for (const name of answered) {
      expect(
        logged.filter((line) => line.includes(`InferenceService/${name}"`) && line.includes('"ok"')),
        name,
      ).not.toEqual([]);
    }
    // Its own caller is told what was wrong, which shows that the canaries arrived; nobody is told of the server's insides.
    expect(own.join("\n")).toContain(WORD);
    for (const said of own) {
      expect(said).not.toMatch(INSIDES);
      expect(said).not.toContain(scratch);
      expect(said).not.toContain(join(import.meta.dirname, "../.."));
    }

    for (const method of METHODS) {
      for (const message of [{}, { model: "tiny" }, { options: { model: "tiny" } }]) {
        expect([methodName(method), await answerTo(clientOf(method), method, message, other)].join(" ")).not.toContain(
          WORD,
        );
      }
    }
    await wait(100);
    expect(logged.length).toBeGreaterThan(METHODS.length);
    expect(logged.filter((line) => line.includes(WORD))).toEqual([]);
    expect(traced.length).toBeGreaterThan(METHODS.length);
    expect(traced.filter((line) => line.includes(WORD))).toEqual([]);
    const page = await fetch(`http://${app.addresses.metrics}/metrics`, { headers });
    const metrics = await page.text();
    expect(metrics).toContain("rpc_server_call_duration_seconds_count");
    expect(metrics).not.toContain(WORD);
    const audits = readdirSync(scratch).filter((name) => name.startsWith("audit.jsonl"));
    const audit = audits.map((name) => readFileSync(join(scratch, name), "utf8")).join("");
    expect(audit).toContain('"caller":"token asker');
    expect(audit).not.toContain(WORD);
  }, 120_000);
});

function hasOneof(desc: DescMessage, depth = 0): boolean {
  if (depth > 4) return false;
  return desc.fields.some((field) => {
    const inner = field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message");
    return field.oneof !== undefined || (inner && field.message !== undefined && hasOneof(field.message, depth + 1));
  });
}
