import { cpSync, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { connectAdmin } from "../../src/client/admin-client.ts";
import { type AlbertClient, connectAlbert } from "../../src/client/albert-client.ts";
import { openTracing, type SpanExporter } from "../../src/tracing/open-telemetry.ts";
import { missing } from "../support/fixtures.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { testConfig } from "../support/running-server.ts";

/** What is looked at of a span of OpenTelemetry's. */
interface SeenSpan {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: number };
  readonly links: readonly { readonly context: { readonly traceId: string; readonly spanId: string } }[];
  readonly parentSpanContext?: { readonly traceId: string; readonly spanId: string };
  readonly startTime: readonly [number, number];
  readonly endTime: readonly [number, number];
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceState?: { serialize(): string } };
}

const installed = await import("@opentelemetry/sdk-trace-base" as string).then(
  () => true,
  () => false,
);

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const SERVER_KIND = 1;

describe.skipIf(missing("the optional @opentelemetry packages", installed))("traces", () => {
  const spans: SeenSpan[] = [];
  const lines: object[] = [];
  let app: App;
  let client: AlbertClient;
  let parents: string[] = [];
  let root: string;

  beforeAll(async () => {
    const exporter: SpanExporter = {
      export: (batch, done) => {
        spans.push(...(batch as SeenSpan[]));
        done({ code: 0 });
      },
      shutdown: async () => {},
    };
    process.env["OTEL_BSP_SCHEDULE_DELAY"] = "50";
    const tracer = await openTracing({ version: "9.9.9", exporter });
    const note = (fields: object) => lines.push(fields);
    const log = { debug: note, info: note, warn: note, error: note };
    root = mkdtempSync(join(tmpdir(), "albert-tracing-data-"));
    const store = { directory: mkdtempSync(join(tmpdir(), "albert-tracing-")), checkpointRoots: [root] };
    const config = testConfig({ store, tracing: { exporter: "otlp" }, log: { level: "debug" } });
    app = await startApp({ config, log, tracer }, [{ name: "tiny", directory: await writeTinyModel() }]);
    const headersOfCall = (): Record<string, string> => {
      const traceparent = parents.shift();
      return traceparent === undefined ? {} : { traceparent };
    };
    client = connectAlbert(app.addresses.public, { maxAttempts: 1, headersOfCall });
  }, 60_000);
  afterAll(async () => {
    delete process.env["OTEL_BSP_SCHEDULE_DELAY"];
    client.close();
    await app.close(0);
  });

  const request = (text: string) => ({ text, options: { model: "tiny", head: "sentiment" } });
  const named = (name: string) => spans.filter((span) => span.name === name);
  const inTrace = (traceId: string) => spans.filter((span) => span.spanContext().traceId === traceId);
  const micros = ([seconds, nanos]: readonly [number, number]) => seconds * 1e6 + nanos / 1000;

  it("continue the caller's trace with the stages of its request, one after the other", async () => {
    parents = [`00-${TRACE}-${PARENT}-01`];
    await client.classify(request("a film"), { headers: { "x-request-id": "traced" } });
    await expect.poll(() => inTrace(TRACE).length, { timeout: 5000 }).toBe(8);
    const [call] = inTrace(TRACE).filter(({ kind }) => kind === SERVER_KIND);
    expect(call?.name).toBe("albert.v1.InferenceService/Classify");
    expect(call?.parentSpanContext?.spanId).toBe(PARENT);
    expect(call?.attributes).toMatchObject({ "albert.request_id": "traced", "albert.model": "tiny" });
    const stages = inTrace(TRACE).filter(({ name, kind }) => kind !== SERVER_KIND && name !== "batch");
    expect(stages.map(({ name }) => name)).toEqual([
      "admission",
      "tokenize",
      "queue",
      "assemble",
      "run",
      "postprocess",
    ]);
    for (const [i, stage] of stages.entries()) {
      expect(stage.parentSpanContext?.spanId).toBe(call?.spanContext().spanId);
      expect(micros(stage.startTime)).toBeGreaterThanOrEqual(micros(call!.startTime) - 5);
      expect(micros(stage.endTime)).toBeLessThanOrEqual(micros(call!.endTime) + 5);
      const before = stages[i - 1];
      // Clocks are floating-point milliseconds since 1970: they are exact to a microsecond or so.
      if (before !== undefined) expect(Math.abs(micros(stage.startTime) - micros(before.endTime))).toBeLessThan(5);
    }
  });

  it("keep what others wrote into the trace, and leave out what is no tracestate", async () => {
    spans.length = 0;
    const traced = (tracestate: string) => ({
      headers: { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate, "x-request-id": tracestate.slice(0, 4) },
    });
    await client.classify(request("a film"), traced("vendor=a1,other=b2"));
    await client.classify(request("a film"), traced("no such thing"));
    // All of them, so that none comes during the next test.
    await expect.poll(() => inTrace(TRACE).length, { timeout: 5000 }).toBe(16);
    const states = named("run").map((span) => span.spanContext().traceState?.serialize() ?? "");
    expect(states.sort()).toEqual(["", "vendor=a1,other=b2"]);
  });

  it("shows traces beside durations, to a scraper that asks for OpenMetrics", async () => {
    spans.length = 0;
    parents = [`00-${TRACE}-${PARENT}-01`];
    await client.classify(request("a film"));
    await expect.poll(() => inTrace(TRACE).length, { timeout: 5000 }).toBe(8);
    const url = `http://${app.addresses.metrics}/metrics`;
    const open = await fetch(url, { headers: { accept: "application/openmetrics-text;version=1.0.0" } });
    const page = await open.text();
    for (const series of ["albert_request_duration_seconds", "rpc_server_call_duration_seconds"]) {
      expect(page).toMatch(new RegExp(`^${series}_bucket.* # \\{trace_id="${TRACE}"\\} `, "m"));
    }
    expect(await (await fetch(url)).text()).not.toContain(TRACE);
  });

  it("link a batch to every request that it served", async () => {
    spans.length = 0;
    await Promise.all(Array.from({ length: 12 }, (_, i) => client.classify(request(`film ${i}`))));
    await expect.poll(() => named("postprocess").length, { timeout: 5000 }).toBe(12);
    const calls = spans.filter(({ kind }) => kind === SERVER_KIND).map((span) => span.spanContext().spanId);
    const batches = named("batch");
    expect(Math.max(...batches.map(({ links }) => links.length))).toBeGreaterThan(1);
    const linked = batches.flatMap(({ links }) => links.map(({ context }) => context.spanId));
    expect(linked.sort()).toEqual(calls.sort());
    for (const { links, attributes } of batches) expect(attributes["albert.sequences"]).toBe(links.length);
  });

  it("say why a call failed", async () => {
    spans.length = 0;
    await expect(client.classify(request(""))).rejects.toThrow();
    await expect.poll(() => named("albert.v1.InferenceService/Classify").length, { timeout: 5000 }).toBe(1);
    const [call] = named("albert.v1.InferenceService/Classify");
    expect(call?.attributes["error.type"]).toBe("FIELD_INVALID");
    expect(call?.status.code).toBe(2);
    expect(named("tokenize")[0]?.attributes["error.type"]).toBe("FIELD_INVALID");
  });

  it("leave out what the caller does not keep", async () => {
    spans.length = 0;
    parents = [`00-${TRACE}-${PARENT}-00`];
    await client.classify(request("not kept"));
    await client.classify(request("kept"));
    await expect.poll(() => named("postprocess").length, { timeout: 5000 }).toBe(1);
    expect(inTrace(TRACE)).toEqual([]);
  });

  it("are named in log lines and reach calls over HTTP", async () => {
    spans.length = 0;
    const id = "a".repeat(32);
    const response = await fetch(`http://${app.addresses.console}/albert.v1.InferenceService/Classify`, {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${id}-${PARENT}-01` },
      body: JSON.stringify(request("over HTTP")),
    });
    expect(response.status).toBe(200);
    await expect.poll(() => inTrace(id).length, { timeout: 5000 }).toBe(8);
    expect(lines).toContainEqual(
      expect.objectContaining({ method: "albert.v1.InferenceService/Classify", trace_id: id }),
    );
  });

  it("show a change of version with its phases", async () => {
    const admin = connectAdmin(app.addresses.admin!, { maxAttempts: 1 });
    try {
      cpSync(await writeTinyModel(undefined, 2), join(root, "next"), { recursive: true });
      const { version } = await admin.models.importCheckpoint({ model: "tiny", path: "next" });
      spans.length = 0;
      const change = { model: "tiny", version: version!.version, expectedGeneration: 1, overrideGate: true };
      await admin.models.promote({ ...change, reason: "a test" });
      await expect.poll(() => named("swap").length, { timeout: 20_000 }).toBe(1);
      const [swap] = named("swap");
      expect(swap?.attributes).toMatchObject({
        "albert.model": "tiny",
        "albert.version": "2",
        "albert.result": "promoted",
      });
      const phases = inTrace(swap!.spanContext().traceId).filter(({ name }) => name !== "swap");
      expect(phases.map(({ name }) => name)).toEqual(expect.arrayContaining(["load", "flip", "drain"]));
    } finally {
      admin.close();
    }
  }, 30_000);
});

describe.skipIf(missing("the optional @opentelemetry packages", installed))("the OTLP exporter", () => {
  it("sends spans to where OTEL_EXPORTER_OTLP_ENDPOINT says", async () => {
    const bodies: Buffer[] = [];
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (request.url === "/v1/traces") bodies.push(Buffer.concat(chunks));
        response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const { port } = collector.address() as AddressInfo;
    process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = `http://127.0.0.1:${port}`;
    process.env["OTEL_SERVICE_NAME"] = "named-by-the-environment";
    try {
      const tracer = await openTracing({ version: "9.9.9" });
      tracer.call("a/Call", performance.now(), { traceId: TRACE, spanId: PARENT, sampled: true }, {}).end();
      await tracer.close();
      const sent = Buffer.concat(bodies);
      expect(sent.includes(Buffer.from(TRACE, "hex"))).toBe(true);
      expect(sent.includes("named-by-the-environment")).toBe(true);
    } finally {
      delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
      delete process.env["OTEL_SERVICE_NAME"];
      collector.close();
    }
  });
});
