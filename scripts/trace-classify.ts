import { join } from "node:path";
import { startApp } from "../src/app.ts";
import { connectAlbert } from "../src/client/albert-client.ts";
import { loadConfig } from "../src/config/load.ts";

// Sends the trace of three Classify calls, made by a client that traces itself, to an OpenTelemetry collector: where
// OTEL_EXPORTER_OTLP_ENDPOINT says, http://localhost:4318 unless it does. docs/results/traces.md shows what one saw.

interface Traced {
  spanContext(): { traceId: string; spanId: string };
  end(): void;
}

const CLIENT_KIND = 2;
const TEXTS = ["A gripping, honest film.", "Dull and far too long.", "Fine."];

const { config } = loadConfig({});
const free = "127.0.0.1:0";
const server = { ...config.server, publicAddress: free, adminAddress: "", metricsAddress: "", consoleAddress: "" };
const silent = () => {};
const log = { debug: silent, info: silent, warn: console.warn, error: console.error };
const directory = join(import.meta.dirname, "../models/sentiment");
const traced = { ...config, server, tracing: { exporter: "otlp" as const } };
const app = await startApp({ config: traced, log }, [{ name: "sentiment", directory }]);

const { BasicTracerProvider, BatchSpanProcessor } = await import("@opentelemetry/sdk-trace-base" as string);
const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto" as string);
const { resourceFromAttributes } = await import("@opentelemetry/resources" as string);
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "a-client" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
const tracer = provider.getTracer("a-client");
let current: Traced | undefined;
const client = connectAlbert(app.addresses.public, {
  headersOfCall: (): Record<string, string> => {
    if (current === undefined) return {};
    const { traceId, spanId } = current.spanContext();
    return { traceparent: `00-${traceId}-${spanId}-01` };
  },
});
await Promise.all(
  TEXTS.map(async (text) => {
    const span: Traced = tracer.startSpan("ask", { kind: CLIENT_KIND });
    current = span;
    await client.classify({ text, options: { model: "sentiment" } });
    span.end();
  }),
);
await provider.shutdown();
client.close();
await app.close(0);
