import { performance } from "node:perf_hooks";
import { AlbertError } from "../errors.ts";
import type { Attributes, Part, Span, TraceContext, Tracer } from "./span.ts";

// Spans by OpenTelemetry, sent by OTLP. Its packages are optional and loaded here, only where tracing is on. What is used of
// them is declared here too, so that the program compiles without them.

/** Takes spans that are over. */
export interface SpanExporter {
  export(spans: readonly unknown[], done: (result: { code: number }) => void): void;
  shutdown(): Promise<void>;
}

interface ApiSpan {
  spanContext(): { traceId: string; spanId: string; traceFlags: number };
  setAttributes(attributes: Attributes): void;
  setStatus(status: { code: number; message?: string }): void;
  end(timeMs?: number): void;
}

interface Api {
  ROOT_CONTEXT: object;
  SpanKind: { INTERNAL: number; SERVER: number };
  SpanStatusCode: { ERROR: number };
  TraceFlags: { SAMPLED: number; NONE: number };
  createTraceState(header: string): object;
  trace: {
    setSpanContext(context: object, span: object): object;
    setSpan(context: object, span: ApiSpan): object;
  };
}

interface ApiTracer {
  startSpan(name: string, options: object, context: object): ApiSpan;
}

interface Provider {
  getTracer(name: string, version: string): ApiTracer;
  shutdown(): Promise<void>;
}

interface Sdk {
  BasicTracerProvider: new (options: object) => Provider;
  BatchSpanProcessor: new (exporter: SpanExporter) => object;
}

interface Resource {
  merge(other: object): Resource;
}

interface Resources {
  defaultResource(): Resource;
  detectResources(options: object): object;
  resourceFromAttributes(attributes: Attributes): object;
  envDetector: object;
}

export interface OpenTracingOptions {
  /** Of this program. */
  readonly version: string;
  /** Where spans go; absent: by OTLP over HTTP to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. */
  readonly exporter?: SpanExporter;
}

const NAME = "albert-serve";

/**
 * Loads OpenTelemetry and opens what spans are made with. Sampling, service name, batching and the collector's address come from
 * the `OTEL_*` variables of the environment, which the packages read themselves.
 *
 * @throws AlbertError precondition TRACING_UNAVAILABLE where the packages are not installed
 */
export async function openTracing({ version, exporter }: OpenTracingOptions): Promise<Tracer> {
  const api = await load<Api>("@opentelemetry/api");
  const sdk = await load<Sdk>("@opentelemetry/sdk-trace-base");
  const resources = await load<Resources>("@opentelemetry/resources");
  const own = resources.resourceFromAttributes({ "service.name": NAME, "service.version": version });
  const resource = resources
    .defaultResource()
    .merge(own)
    // Last, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have their way.
    .merge(resources.detectResources({ detectors: [resources.envDetector] }));
  const processor = new sdk.BatchSpanProcessor(exporter ?? (await otlpExporter()));
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors: [processor] });
  return tracerOver(api, provider, provider.getTracer(NAME, version));
}

async function otlpExporter(): Promise<SpanExporter> {
  const otlp = await load<{ OTLPTraceExporter: new () => SpanExporter }>("@opentelemetry/exporter-trace-otlp-proto");
  return new otlp.OTLPTraceExporter();
}

/** @throws AlbertError precondition TRACING_UNAVAILABLE */
async function load<T>(name: string): Promise<T> {
  try {
    return (await import(name)) as T;
  } catch (cause) {
    const message = `tracing.exporter is otlp, and the optional package ${name} cannot be loaded: install it, or set tracing.exporter none`;
    throw new AlbertError("precondition", message, { reason: "TRACING_UNAVAILABLE", cause });
  }
}

function tracerOver(api: Api, provider: Provider, tracer: ApiTracer): Tracer {
  const contextOf = (span: ApiSpan): TraceContext => {
    const { traceId, spanId, traceFlags } = span.spanContext();
    return { traceId, spanId, sampled: (traceFlags & api.TraceFlags.SAMPLED) !== 0 };
  };
  const apiContext = ({ traceId, spanId, sampled, state }: TraceContext) => ({
    ...{ traceId, spanId, isRemote: true },
    // What does not fit, or is too long, is left out by OpenTelemetry; spans inside get it from this one.
    ...(state === undefined ? {} : { traceState: api.createTraceState(state) }),
    traceFlags: sampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE,
  });
  const fail = (span: ApiSpan, reason: string) => {
    span.setAttributes({ "error.type": reason });
    span.setStatus({ code: api.SpanStatusCode.ERROR, message: reason });
  };
  const start = (part: Part, context: object): ApiSpan => {
    const { name, startedAt, attributes = {}, links = [] } = part;
    const options = {
      ...{ kind: api.SpanKind.INTERNAL, startTime: epochMs(startedAt), attributes },
      links: links.map((link) => ({ context: apiContext(link) })),
    };
    return tracer.startSpan(name, options, context);
  };
  const finish = (span: ApiSpan, { endedAt, error }: Part) => {
    if (error !== undefined) fail(span, error);
    span.end(epochMs(endedAt));
  };
  const spanOver = (span: ApiSpan): Span => {
    const context = contextOf(span);
    const inside = api.trace.setSpan(api.ROOT_CONTEXT, span);
    return {
      context,
      annotate: (attributes) => span.setAttributes(attributes),
      part: (part) => {
        if (context.sampled) finish(start(part, inside), part);
      },
      end: (error) => {
        if (error !== undefined) fail(span, error);
        span.end(epochMs(performance.now()));
      },
    };
  };
  return {
    call: (name, startedAt, parent, attributes) => {
      const context =
        parent === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, apiContext(parent));
      return spanOver(
        tracer.startSpan(name, { kind: api.SpanKind.SERVER, startTime: epochMs(startedAt), attributes }, context),
      );
    },
    event: (part, parts = []) => {
      const span = start(part, api.ROOT_CONTEXT);
      const inside = spanOver(span);
      for (const inner of parts) inside.part(inner);
      finish(span, part);
    },
    close: () => provider.shutdown().catch(() => {}),
  };
}

/** A moment of `performance.now()` as milliseconds since 1970. */
function epochMs(at: number): number {
  return performance.timeOrigin + at;
}
