import { createServer, request as httpRequest, type Server } from "node:http";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ClassifyResponseSchema, InferenceService } from "../../../src/gen/albert/v1/inference_pb.js";
import { ByteBudget } from "../../../src/server/call/byte-budget.ts";
import type { ServiceHandlers } from "../../../src/server/call/call.ts";
import { addConnectService } from "../../../src/server/connect/connect-routes.ts";
import { connectListener } from "../../../src/server/connect/node-adapter.ts";
import { encoded } from "../../support/raw-call.ts";

const PATH = "/albert.v1.InferenceService/Classify";
const { classify } = InferenceService.method;
type Classify = ServiceHandlers<typeof InferenceService>["classify"];

describe("calls over HTTP", () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  /** Serves Classify alone. */
  const serve = async (handler: Classify, budget = new ByteBudget(2 ** 20)) => {
    const settings = {
      interceptors: [],
      budget,
      maxValues: 100,
      draining: new AbortController().signal,
      defaultDeadlineMs: 10_000,
      maxDeadlineMs: 10_000,
      logIncident: () => {},
    };
    const handlers = { classify: handler } as ServiceHandlers<typeof InferenceService>;
    const listener = connectListener({
      maxMessageBytes: 2 ** 16,
      maxValues: 100,
      budget,
      routes: (router) => addConnectService(router, InferenceService, handlers, settings),
      fallback: (_, response) => response.writeHead(404).end(),
    });
    server = createServer(listener);
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const post = (body: Uint8Array | string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}${PATH}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : Buffer.from(body),
      });
    return { port, post, budget };
  };

  /** A handler that holds its call until `release`. */
  const holding = () => {
    const gate = gateOf();
    const arrived = gateOf();
    const handler: Classify = async () => {
      arrived.resolve();
      await gate.promise;
      return {};
    };
    return { handler, arrived: arrived.promise, release: () => gate.resolve() };
  };

  it("hold the bytes of their request, and the next one is refused while they do", async () => {
    const { handler, arrived, release } = holding();
    const { post, budget } = await serve(handler, new ByteBudget(100));
    const first = post(JSON.stringify({ text: "a".repeat(80) }));
    await arrived;
    expect(budget.held).toBeGreaterThan(80);
    const refused = await post(JSON.stringify({ text: "b".repeat(80) }));
    expect(refused.status).toBe(429);
    const { code, details } = (await refused.json()) as { code: string; details: { type: string }[] };
    expect(code).toBe("resource_exhausted");
    expect(details.map(({ type }) => type)).toContain("google.rpc.RetryInfo");
    expect(Number(refused.headers.get("grpc-retry-pushback-ms"))).toBeGreaterThan(0);
    release();
    expect((await first).status).toBe(200);
    await vi.waitFor(() => expect(budget.held).toBe(0));
  });

  it("hold what their request unpacks to", async () => {
    const { handler, arrived, release } = holding();
    const { post, budget } = await serve(handler);
    const packed = gzipSync(JSON.stringify({ text: "a".repeat(50_000) }));
    const call = post(packed, { "content-encoding": "gzip" });
    await arrived;
    expect(packed.length).toBeLessThan(1000);
    expect(budget.held).toBeGreaterThan(50_000);
    release();
    expect((await call).status).toBe(200);
    await vi.waitFor(() => expect(budget.held).toBe(0));
  });

  it("hold a reply until its reader has taken it", async () => {
    const labels = Array.from({ length: 100_000 }, (_, i) => ({ label: `${i}`.padStart(100, "x"), score: 0 }));
    const { port, budget } = await serve(async () => ({ labels }));
    const socket = connectSocket(port, "127.0.0.1");
    socket.pause();
    socket.write(
      `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
    );
    await vi.waitFor(() => expect(budget.held).toBeGreaterThan(10_000_000), { timeout: 10_000 });
    socket.resume();
    await vi.waitFor(() => expect(budget.held).toBe(0), { timeout: 10_000 });
    socket.destroy();
  });

  it("return everything when their caller goes away", async () => {
    const { handler, arrived, release } = holding();
    const { port, budget } = await serve(handler);
    const call = httpRequest({ port, host: "127.0.0.1", path: PATH, method: "POST" });
    call.setHeader("content-type", "application/json");
    call.on("error", () => {});
    call.end(JSON.stringify({ text: "a".repeat(80) }));
    await arrived;
    expect(budget.held).toBeGreaterThan(80);
    call.destroy();
    await vi.waitFor(() => expect(budget.held).toBe(0));
    release();
  });

  const frame = (flags: number, message: Uint8Array) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(flags, 0);
    prefix.writeUInt32BE(message.length, 1);
    return Buffer.concat([prefix, message]);
  };
  const broken = Buffer.from([0xff, 0xff, 0xff, 0xff]);

  it("refuse bytes that are no message as the caller's fault, with the details that gRPC gives", async () => {
    const { post } = await serve(async () => ({}));
    for (const headers of [{}, { "content-encoding": "gzip" }] as Record<string, string>[]) {
      const body = headers["content-encoding"] === undefined ? broken : gzipSync(broken);
      const refused = await post(body, { ...headers, "content-type": "application/proto" });
      expect(refused.status).toBe(400);
      const { code, details } = (await refused.json()) as { code: string; details: { type: string }[] };
      expect(code).toBe("invalid_argument");
      expect(details.map(({ type }) => type)).toContain("google.rpc.BadRequest");
    }
  });

  it("refuse them over gRPC-Web alike", async () => {
    const { post } = await serve(async () => ({}));
    for (const body of [frame(0, broken), frame(1, gzipSync(broken))]) {
      const refused = await post(body, { "content-type": "application/grpc-web+proto", "grpc-encoding": "gzip" });
      expect(await refused.text()).toMatch(/grpc-status: 3\r/);
    }
  });

  it("refuse more values than a message may hold, in every framing, before anything is made of them", async () => {
    const { post } = await serve(async () => ({}));
    const labels = new Array<string>(101).fill("a");
    const [binary, json] = [encoded(classify, { labels }), Buffer.from(JSON.stringify({ labels }))];
    for (const [body, headers] of [
      [json, {}],
      [gzipSync(json), { "content-encoding": "gzip" }],
      [binary, { "content-type": "application/proto" }],
      [gzipSync(binary), { "content-type": "application/proto", "content-encoding": "gzip" }],
    ] as const) {
      const refused = await post(body, headers);
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("at most 100 values")]);
    }
    const web = await post(frame(0, binary), { "content-type": "application/grpc-web+proto" });
    expect(await web.text()).toContain("at%20most%20100%20values");
    expect((await post(JSON.stringify({ labels: labels.slice(10) }))).status).toBe(200);
  });

  it("take binary messages that are sound, in every framing", async () => {
    const texts: string[] = [];
    const { post } = await serve(async ({ text }) => {
      texts.push(text);
      return {};
    });
    const message = encoded(classify, { text: "fine" });
    const binary = { "content-type": "application/proto" };
    expect((await post(message, binary)).status).toBe(200);
    expect((await post(gzipSync(message), { ...binary, "content-encoding": "gzip" })).status).toBe(200);
    const web = { "content-type": "application/grpc-web+proto", "grpc-encoding": "gzip" };
    expect(await (await post(frame(0, message), web)).text()).toContain("grpc-status: 0");
    expect(await (await post(frame(1, gzipSync(message)), web)).text()).toContain("grpc-status: 0");
    expect(texts).toEqual(["fine", "fine", "fine", "fine"]);
  });

  it("give JSON with every field, also those that are 0, false or empty", async () => {
    const { post } = await serve(async () => ({ labels: [{ label: "", score: 0 }] }));
    const reply = await (await post(JSON.stringify({ text: "x", returnLogits: false, topK: 1 }))).json();
    expect(reply).toEqual({ labels: [{ label: "", score: 0 }], problemType: "PROBLEM_TYPE_UNSPECIFIED" });
  });

  it("give a large reply whole in every framing, packed or not, for calls side by side", async () => {
    const labelsOf = (text: string) => Array.from({ length: 2000 }, (_, i) => ({ label: `${text}${i}é`, score: i }));
    const { post } = await serve(async ({ text }) => ({ labels: labelsOf(text) }));
    const whole = (text: string) => create(ClassifyResponseSchema, { labels: labelsOf(text) });
    const unframed = (bytes: Buffer) => {
      const message = bytes.subarray(5, 5 + bytes.readUInt32BE(1));
      return (bytes.readUInt8(0) & 1) === 0 ? message : gunzipSync(message);
    };
    const bytesOf = async (reply: Promise<Response>) => Buffer.from(await (await reply).arrayBuffer());
    const asks = ["a", "b", "c"].flatMap((text) => {
      const binary = encoded(classify, { text });
      const json = Buffer.from(JSON.stringify({ text }));
      return ["identity", "gzip"].map(async (packing) => {
        const proto = { "content-type": "application/proto", "accept-encoding": packing };
        expect(fromBinary(ClassifyResponseSchema, await bytesOf(post(binary, proto)))).toEqual(whole(text));
        const plain = await (await post(json.toString(), { "accept-encoding": packing })).json();
        expect(fromJson(ClassifyResponseSchema, plain as JsonValue)).toEqual(whole(text));
        const web = { "content-type": "application/grpc-web+proto", "grpc-accept-encoding": packing };
        const framed = unframed(await bytesOf(post(frame(0, binary), web)));
        expect(fromBinary(ClassifyResponseSchema, framed)).toEqual(whole(text));
        const webJson = { "content-type": "application/grpc-web+json", "grpc-accept-encoding": packing };
        const webText = unframed(await bytesOf(post(frame(0, json), webJson))).toString();
        expect(fromJson(ClassifyResponseSchema, JSON.parse(webText) as JsonValue)).toEqual(whole(text));
      });
    });
    await Promise.all(asks);
  });

  it("refuse a message that is too large, and a field that the contract lacks", async () => {
    const { post } = await serve(async () => ({}));
    expect((await post(JSON.stringify({ text: "x".repeat(2 ** 17) }))).status).toBe(429);
    expect((await post(JSON.stringify({ text: "x", colour: "red" }))).status).toBe(400);
  });

  it("point callers of a method that streams both ways to gRPC", async () => {
    const { port } = await serve(async () => ({}));
    const url = `http://127.0.0.1:${port}/albert.v1.InferenceService/StreamInfer`;
    const refused = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: "",
    });
    expect(refused.status).toBe(501);
    expect(await refused.json()).toMatchObject({ code: "unimplemented" });
  });
});

function gateOf() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
