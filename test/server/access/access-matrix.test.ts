import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, type DescMethod, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status as Status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessPage } from "../../../scripts/access-page.ts";
import { formatAccessList, type TokenEntry } from "../../../src/access/access-file.ts";
import { SCOPES, type Scope } from "../../../src/access/scopes.ts";
import { newToken, tokenHash } from "../../../src/access/tokens.ts";
import type { TlsConfig } from "../../../src/config/settings.ts";
import { InferenceService } from "../../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../../src/gen/albert/v1/models_pb.js";
import { SearchService } from "../../../src/gen/albert/v1/search_pb.js";
import { DatasetService, TrainingService } from "../../../src/gen/albert/v1/training_pb.js";
import { Health } from "../../../src/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../../src/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { GRPCInferenceService } from "../../../src/gen/inference/open_inference_pb.js";
import { HTTP_ROUTES, methodName, ROUTES } from "../../../src/server/access/routes.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";
import { type Identity, TestAuthority, tlsFiles } from "../../support/test-certificates.ts";

const PUBLIC: readonly DescService[] = [
  InferenceService,
  SearchService,
  GRPCInferenceService,
  Health,
  ServerReflection,
  ServerReflectionAlpha,
];
const ADMIN: readonly DescService[] = [ModelService, TrainingService, DatasetService];
const METHODS = [...PUBLIC, ...ADMIN].flatMap((service) => service.methods);
const ALL_SCOPES = Object.keys(SCOPES) as Scope[];

/** Requests that name the model `tiny` wherever a message can name one. */
function requestFor(method: DescMethod): Record<string, unknown> {
  const options = { options: { model: "tiny" } };
  const spec = { spec: { model: "tiny", promote: 2 } };
  const item = { request: { case: "classify", value: options } };
  switch (method.parent.typeName === InferenceService.typeName ? method.localName : "") {
    case "batchInfer":
      return { items: [item] };
    case "streamInfer":
      return { message: { case: "item", value: item } };
    case "listModels":
      return {};
    case "getModel":
      return { model: "tiny" };
    case "":
      break;
    default:
      return options;
  }
  if (method.parent === SearchService) return method.localName === "listIndexes" ? {} : { index: "tiny", ...options };
  if (method.parent === GRPCInferenceService) {
    const named = { name: "tiny", modelName: "tiny" };
    return Object.fromEntries(Object.entries(named).filter(([field]) => method.input.field[field] !== undefined));
  }
  if (method.parent === Health) return { service: "model/tiny" };
  if (method.localName === "createJob" || method.localName === "planJob") return spec;
  if (method.localName === "exportRuns") return { jobIds: ["j"] };
  if (method.localName === "cloneJob") return { jobId: "j", overrides: spec.spec };
  return method.input.fields.some(({ name }) => name === "model") ? { model: "tiny" } : {};
}

type Outcome = { readonly code: number; readonly words: string };
const PASSED: Outcome = { code: Status.OK, words: "" };

/** Makes one call; anything but a refusal has passed: what the handler then says of an empty request is not the question. */
function call(client: Client, method: DescMethod, headers: Readonly<Record<string, string>>): Promise<Outcome> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const encode = (message: Record<string, unknown>) =>
    Buffer.from(toBinary(method.input as DescMessage, create(method.input, message)));
  const decode = (bytes: Buffer) => fromBinary(method.output, bytes);
  const path = `/${methodName(method)}`;
  const options = { deadline: Date.now() + (method.methodKind === "unary" ? 10_000 : 700) };
  return new Promise((resolve) => {
    const end = (error: ServiceError | null) => {
      const refused = error?.code === Status.UNAUTHENTICATED || error?.code === Status.PERMISSION_DENIED;
      if (error?.code === Status.UNAVAILABLE) resolve({ code: error.code, words: "" });
      else if (!refused) resolve(PASSED);
      else {
        const details = error.metadata
          .get("grpc-status-details-bin")
          .map((value) => Buffer.from(value).toString("hex"));
        resolve({ code: error.code, words: `${error.details} ${details.join()}` });
      }
    };
    if (method.methodKind === "unary") {
      client.makeUnaryRequest(path, encode, decode, requestFor(method), metadata, options, end);
      return;
    }
    const duplex =
      method.methodKind === "bidi_streaming"
        ? client.makeBidiStreamRequest(path, encode, decode, metadata, options)
        : undefined;
    const stream =
      duplex ?? client.makeServerStreamRequest(path, encode, decode, requestFor(method), metadata, options);
    stream.on("error", (error: ServiceError) => end(error));
    stream.on("end", () => end(null));
    stream.on("data", (reply: { message?: { case?: string } }) => {
      // The first word of a stream of items is said before any item is read.
      if (reply.message?.case === "window") return;
      end(null);
      stream.cancel();
    });
    duplex?.write(requestFor(method));
    duplex?.end();
  });
}

interface Tokens {
  readonly list: TokenEntry[];
  add(scopes: readonly Scope[], models?: readonly string[], expires?: number): string;
}

function tokenList(): Tokens {
  const list: TokenEntry[] = [];
  return {
    list,
    add(scopes, models = ["*"], expires) {
      const { id, token } = newToken();
      const entry = { id, name: `t${list.length}`, sha256: tokenHash(token), scopes, models, created: 0 };
      list.push(expires === undefined ? entry : { ...entry, expires });
      return token;
    },
  };
}

describe.each(["plain", "TLS", "mTLS"] as const)("over %s, of every call of every service", (transport) => {
  let scratch: string;
  let server: RunningServer;
  let ca: string;
  let own: Identity;
  let publicClient: Client;
  let adminClient: Client;
  const tokens = tokenList();
  const expired = tokens.add(ALL_SCOPES, ["*"], 1);
  const other = tokens.add(ALL_SCOPES, ["other*", "tin", "tiny-*"]);
  const by = new Map<string, string>();
  const tokenOf = (scopes: readonly Scope[]) => {
    const key = scopes.join();
    if (key === "") return undefined;
    const known = by.get(key) ?? tokens.add(scopes);
    by.set(key, known);
    return known;
  };
  for (const scope of ALL_SCOPES) tokenOf([scope]);
  for (const scope of ALL_SCOPES) tokenOf([...new Set([scope, "promote" as const])]);
  for (const { scopes } of ROUTES.values()) tokenOf(ALL_SCOPES.filter((scope) => !scopes.includes(scope)));

  const refusals = new Map<number, Set<string>>();
  const note = ({ code, words }: Outcome) => {
    refusals.set(code, (refusals.get(code) ?? new Set()).add(words));
    return code;
  };

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "albert-access-"));
    const authority = await TestAuthority.create();
    const identity = await authority.issue(["dns:localhost", "ip:127.0.0.1"]);
    ca = authority.pem;
    own = await authority.issue(["dns:nobody.example"]);
    const tokensFile = join(scratch, "tokens.json");
    writeFileSync(tokensFile, formatAccessList({ tokens: tokens.list, certificates: [] }));
    const tls: Partial<TlsConfig> =
      transport === "plain" ? {} : tlsFiles(scratch, identity, transport === "mTLS" ? authority.pem : undefined);
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { tls, auth: { tokensFile }, store: { directory: join(scratch, "store") } },
    });
    const channel =
      transport === "plain"
        ? credentials.createInsecure()
        : credentials.createSsl(Buffer.from(ca), Buffer.from(own.key), Buffer.from(own.cert));
    publicClient = new Client(server.app.addresses.public, channel);
    adminClient = new Client(server.app.addresses.admin!, channel);
  }, 60_000);
  afterAll(async () => {
    publicClient.close();
    adminClient.close();
    await server.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const clientOf = (method: DescMethod) => (ADMIN.includes(method.parent) ? adminClient : publicClient);
  const ask = async (method: DescMethod, token?: string) =>
    note(await call(clientOf(method), method, token === undefined ? {} : { authorization: `Bearer ${token}` }));

  it.each(METHODS.map((method) => [methodName(method), method] as const))(
    "%s passes the right credential only",
    async (name, method) => {
      const { scopes, models, besides, open } = ROUTES.get(name)!;
      if (open && models === undefined) {
        for (const token of [undefined, "x", expired]) expect(await ask(method, token)).toBe(Status.OK);
        return;
      }
      const wrong = expired.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
      const unknown = newToken().token;
      const nobody = [undefined, wrong, unknown, "x", expired];
      for (const token of nobody) expect(await ask(method, token)).toBe(Status.UNAUTHENTICATED);
      const wrongScopes = tokenOf(ALL_SCOPES.filter((scope) => !scopes.includes(scope)));
      if (wrongScopes !== undefined) expect(await ask(method, wrongScopes)).toBe(Status.PERMISSION_DENIED);
      if (models !== undefined) {
        expect(await ask(method, other)).toBe(Status.PERMISSION_DENIED);
      }
      for (const scope of scopes) {
        if (besides !== undefined) expect(await ask(method, tokenOf([scope]))).toBe(Status.PERMISSION_DENIED);
        const right = besides === undefined ? [scope] : [...new Set([scope, "promote" as const])];
        expect([scope, await ask(method, tokenOf(right))]).toEqual([scope, Status.OK]);
      }
    },
    30_000,
  );

  it("passes the same over HTTP as JSON", async () => {
    for (const method of METHODS) {
      const elsewhere: readonly DescService[] = [GRPCInferenceService, Health, ServerReflection];
      if (method.methodKind !== "unary" || elsewhere.includes(method.parent)) continue;
      const { scopes } = ROUTES.get(methodName(method))!;
      const post = (token?: string) => http("console", `/${methodName(method)}`, token, "{}");
      for (const token of [undefined, "x", expired]) expect(await post(token)).toBe(401);
      expect(await post(tokenOf(ALL_SCOPES.filter((scope) => !scopes.includes(scope))))).toBe(403);
      expect([401, 403]).not.toContain(await post(tokenOf(scopes.length === 1 ? scopes : [scopes[0]!])));
    }
  }, 60_000);

  it.each(HTTP_ROUTES.map((route) => [`${route.listener} ${route.path}`, route] as const))(
    "%s passes the right credential only",
    async (_, { listener, path, scopes }) => {
      const where = path.split(" ")[0]!;
      if (path === "/session") return; // it takes credentials itself: test/server/console/session.test.ts
      if (scopes === undefined) {
        for (const token of [undefined, "x", expired])
          expect([200, 404, 503]).toContain(await http(listener, where, token));
        return;
      }
      for (const token of [undefined, "x", newToken().token, expired])
        expect(await http(listener, where, token)).toBe(401);
      expect(await http(listener, where, tokenOf(ALL_SCOPES.filter((scope) => !scopes.includes(scope))))).toBe(403);
      for (const scope of scopes) expect(await http(listener, where, tokenOf([scope]))).toBe(200);
    },
  );

  it("refuses alike, whatever was wrong", () => {
    expect(refusals.get(Status.UNAUTHENTICATED)?.size).toBe(1);
    expect(refusals.get(Status.PERMISSION_DENIED)?.size).toBe(1);
  });

  function http(listener: "metrics" | "console", path: string, token?: string, body?: string): Promise<number> {
    const [host, port] = server.app.addresses[listener]!.split(":");
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const options = { host, port, path, headers, method: body === undefined ? "GET" : "POST", agent: false };
    const secure = { ca, ...own, servername: "localhost" };
    return new Promise((resolve, reject) => {
      const request = transport === "plain" ? httpRequest(options) : httpsRequest({ ...options, ...secure });
      request.on("error", reject).on("response", (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.end(body);
    });
  }
});

it("the table of routes has a row for every method that a server answers, and no other", () => {
  expect([...ROUTES.keys()].sort()).toEqual(METHODS.map(methodName).sort());
});

it("docs/access.md is what the tables say; run `npm run docs` when this fails", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/access.md"), "utf8");
  expect(page).toBe(accessPage());
});
