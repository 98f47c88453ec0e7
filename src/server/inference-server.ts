import { setMaxListeners } from "node:events";
import { fileURLToPath } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import type { Allowances } from "../access/allowances.ts";
import type { Config } from "../config/settings.ts";
import { InferenceService } from "../gen/albert/v1/inference_pb.js";
import { SearchService } from "../gen/albert/v1/search_pb.js";
import { Health } from "../gen/grpc/health/v1/health_pb.js";
import { GRPCInferenceService } from "../gen/inference/open_inference_pb.js";
import type { Metrics } from "../metrics/metrics.ts";
import type { Tracer } from "../tracing/span.ts";
import type { AccessControl } from "./access/access-control.ts";
import { auditCalls } from "./access/audit.ts";
import { limitCalls } from "./access/limit-calls.ts";
import { ByteBudget } from "./call/byte-budget.ts";
import type { ServiceHandlers } from "./call/call.ts";
import { keepByteOrderMarks } from "./call/decode.ts";
import { listenerInterceptors } from "./call/interceptors.ts";
import { mostValues } from "./call/message-values.ts";
import type { CallSettings } from "./call/run-call.ts";
import { addConnectService } from "./connect/connect-routes.ts";
import { ConsoleListener } from "./console/console-listener.ts";
import { type ConnectionLimits, GrpcListener, type ServiceRegistrar } from "./grpc/grpc-listener.ts";
import { HealthStates, healthHandlers } from "./health/health-states.ts";
import { MetricsListener } from "./http/metrics-listener.ts";
import { type MetricsPage, pageByAccept } from "./http/metrics-page.ts";
import { logIncidents, type ServerLog } from "./log.ts";
import { watchOpenFiles } from "./open-files.ts";
import { openInferenceRoutes } from "./open-inference/rest/routes.ts";
import { returnMemory } from "./return-memory.ts";
import type { Certificates } from "./tls/certificates.ts";
import { GrpcCredentials } from "./tls/grpc-credentials.ts";

// Opens all listeners of a server, and shuts them down in order. It knows no model and no job.

export interface InferenceServerOptions {
  readonly config: Pick<Config, "server" | "log" | "inputs">;
  /** TLS on every listener; plain text without. */
  readonly certificates?: Certificates;
  readonly metrics: Metrics;
  readonly log: ServerLog;
  /** The public services; without them the public listener is not opened. */
  readonly inference?: ServiceHandlers<typeof InferenceService>;
  /** Answers from indexes, beside them. */
  readonly search?: ServiceHandlers<typeof SearchService>;
  /** The same models by the Open Inference Protocol, over gRPC and REST, for a server that is ready when this says so. */
  readonly openInference?: (ready: () => boolean) => ServiceHandlers<typeof GRPCInferenceService>;
  /** Decides who may call what on every listener; everyone when left out. */
  readonly access?: AccessControl;
  /** What each caller may do; without, as much as it likes. */
  readonly allowances?: Allowances;
  /** Makes a span of every call; none is made without. */
  readonly tracer?: Tracer;
  /** The services of the admin listener; without them it is not opened. */
  readonly admin?: { readonly register: (services: ServiceRegistrar) => void };
}

/** Addresses in use, each `host:port` with the port that was bound. */
export interface ServerAddresses {
  /** Empty where nothing is served. */
  readonly public: string;
  readonly admin?: string;
  readonly metrics?: string;
  readonly console?: string;
}

/**
 * Everything that listens: the public gRPC listener (inference, health, reflection), the admin listener, HTTP for machines
 * that watch, and the console for people. Owns the health states; the owner of a model sets its name there.
 */
export class InferenceServer {
  readonly addresses: ServerAddresses;
  readonly health: HealthStates;
  readonly #options: InferenceServerOptions;
  readonly #listeners: readonly GrpcListener[];
  readonly #http: MetricsListener | undefined;
  readonly #page: ConsoleListener | undefined;
  readonly #draining: AbortController;
  readonly #endWatches: readonly (() => void)[];
  #closing: Promise<boolean> | undefined;

  private constructor(
    options: InferenceServerOptions,
    parts: {
      readonly publicListener: GrpcListener | undefined;
      readonly adminListener: GrpcListener | undefined;
      readonly http: MetricsListener | undefined;
      readonly page: ConsoleListener | undefined;
      readonly health: HealthStates;
      readonly draining: AbortController;
    },
  ) {
    const { publicListener, adminListener, http, page } = parts;
    this.#options = options;
    this.#listeners = [publicListener, adminListener].filter((listener) => listener !== undefined);
    this.#http = http;
    this.#page = page;
    this.#draining = parts.draining;
    this.health = parts.health;
    this.addresses = {
      public: publicListener?.address ?? "",
      ...(adminListener === undefined ? {} : { admin: adminListener.address }),
      ...(http === undefined ? {} : { metrics: http.address }),
      ...(page === undefined ? {} : { console: page.address }),
    };
    const addresses = Object.values(this.addresses).filter((address) => address !== "");
    this.#endWatches = [watchOpenFiles(addresses, options.log), returnMemory(options.log)];
  }

  /** @throws AlbertError precondition ADDRESS_UNAVAILABLE; what was opened before is closed again */
  static async open(options: InferenceServerOptions): Promise<InferenceServer> {
    keepByteOrderMarks();
    const { config, admin, inference, search, certificates } = options;
    const secure = {
      ...(certificates === undefined ? {} : { certificates }),
      ...(options.access === undefined ? {} : { access: options.access }),
    };
    const guarded = guardOf(options);
    const health = new HealthStates();
    const openInference = options.openInference?.(() => health.ready);
    const draining = new AbortController();
    // Every open stream listens; their number is bounded by the limit of streams.
    setMaxListeners(0, draining.signal);
    const opened: GrpcListener[] = [];
    const listen = async (
      name: "public" | "admin",
      address: string,
      register: (services: ServiceRegistrar) => void,
    ) => {
      const listener = await GrpcListener.open(
        {
          address,
          limits: connectionLimits(name, config.server),
          reflection: config.server.reflection,
          calls: callSettings(name, options, draining.signal),
          onOutcome: (...outcome) => options.metrics.calls.finished(...outcome),
          ...(certificates === undefined ? {} : { credentials: new GrpcCredentials(certificates) }),
        },
        (services) =>
          register({
            add: (service, handlers) => {
              if (service.typeName !== Health.typeName) health.addService(service.typeName);
              services.add(service, guarded(service, handlers));
            },
          }),
      );
      opened.push(listener);
      return listener;
    };
    try {
      const publicListener =
        inference === undefined || config.server.publicAddress === ""
          ? undefined
          : await listen("public", config.server.publicAddress, (services) => {
              services.add(InferenceService, inference);
              if (search !== undefined) services.add(SearchService, search);
              if (openInference !== undefined) services.add(GRPCInferenceService, openInference);
              services.add(Health, healthHandlers(health));
            });
      const adminListener =
        admin === undefined || config.server.adminAddress === ""
          ? undefined
          : await listen("admin", config.server.adminAddress, (services) => {
              admin.register(services);
              services.add(Health, healthHandlers(health));
            });
      const metricsPage = pageByAccept((format) => options.metrics.page(format));
      const http =
        config.server.metricsAddress === ""
          ? undefined
          : await MetricsListener.open({
              address: config.server.metricsAddress,
              metricsPage,
              ready: () => health.ready,
              absentModels: () => health.absentModels(),
              ...secure,
            });
      const page =
        config.server.consoleAddress === ""
          ? undefined
          : await openConsole(options, openInference, metricsPage, draining.signal);
      return new InferenceServer(options, { publicListener, adminListener, http, page, health, draining });
    } catch (error) {
      await Promise.all(opened.map((listener) => listener.close(0)));
      throw error;
    }
  }

  /**
   * Shuts down in order: health says NOT_SERVING; load balancers get `drainDelayMs` to notice; new calls are refused; calls
   * in progress get `drainTimeoutMs`; what is left is cut. Always ends within about the sum of both. Closing again waits
   * for the first.
   *
   * @param delayMs  in place of the configured delay, such as 0 when there is no load balancer
   * @returns whether every call finished by itself
   */
  close(delayMs: number = this.#options.config.server.drainDelayMs): Promise<boolean> {
    this.#closing ??= this.#close(delayMs);
    return this.#closing;
  }

  async #close(delayMs: number): Promise<boolean> {
    const { config, metrics } = this.#options;
    metrics.process.draining(true);
    metrics.process.ready(false);
    this.health.drain();
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    this.#draining.abort();
    const clean = await Promise.all(this.#listeners.map((listener) => listener.close(config.server.drainTimeoutMs)));
    await this.#page?.close();
    await this.#http?.close();
    for (const end of this.#endWatches) end();
    return clean.every(Boolean);
  }
}

/** An aged connection is cut under whatever it carries, and a watch may go on for days; no load is balanced over admins. */
function connectionLimits(
  listener: "public" | "admin",
  { connectionMaxAgeMs, ...limits }: Config["server"],
): ConnectionLimits {
  return listener === "admin" ? limits : { ...limits, connectionMaxAgeMs };
}

function callSettings(
  listener: "public" | "admin",
  { config, metrics, log, access, allowances, tracer }: InferenceServerOptions,
  draining: AbortSignal,
  budget: ByteBudget = new ByteBudget(config.server.inflightBytes),
): CallSettings {
  const { server } = config;
  return {
    interceptors: listenerInterceptors({
      ...(tracer === undefined ? {} : { tracer }),
      log,
      logAll: config.log.level === "debug" || config.log.level === "trace",
      slowMs: config.log.slowRequestMs,
      streamsOpen: (change) => metrics.calls.streamsOpen(listener, change),
      ...(access === undefined ? {} : { authorizer: access.authorize }),
      ...(access?.audit === undefined ? {} : { audit: auditCalls(access.audit) }),
      ...(allowances === undefined ? {} : { limits: limitCalls(allowances) }),
    }),
    budget,
    maxValues: mostValues(config.inputs),
    draining,
    ...(listener === "public"
      ? { defaultDeadlineMs: server.defaultDeadlineMs, maxDeadlineMs: server.maxDeadlineMs }
      : { defaultDeadlineMs: server.adminDefaultDeadlineMs, maxDeadlineMs: server.adminMaxDeadlineMs }),
    logIncident: logIncidents(log),
  };
}

/** Puts a service behind the access control, where there is one. */
function guardOf({ access }: InferenceServerOptions) {
  return <S extends DescService>(service: S, handlers: ServiceHandlers<S>): ServiceHandlers<S> =>
    access === undefined ? handlers : access.guard(service, handlers);
}

/** The browser's way in: inference and, where it is served, administration, for everyone who may use this address. */
function openConsole(
  options: InferenceServerOptions,
  openInference: ServiceHandlers<typeof GRPCInferenceService> | undefined,
  metricsPage: (accept?: string) => Promise<MetricsPage>,
  draining: AbortSignal,
): Promise<ConsoleListener> {
  const { config, inference, search, admin, certificates, access } = options;
  const guarded = guardOf(options);
  const budget = new ByteBudget(config.server.inflightBytes);
  const settings = callSettings("public", options, draining, budget);
  const adminSettings = callSettings("admin", options, draining, budget);
  return ConsoleListener.open({
    address: config.server.consoleAddress,
    directory: fileURLToPath(new URL("../../dist/console", import.meta.url)),
    maxMessageBytes: config.server.maxMessageBytes,
    maxValues: settings.maxValues,
    budget,
    metricsPage,
    ...(certificates === undefined ? {} : { certificates }),
    ...(access === undefined ? {} : { access }),
    ...(openInference === undefined
      ? {}
      : { rest: openInferenceRoutes(guarded(GRPCInferenceService, openInference), settings, config.server) }),
    routes: (router) => {
      if (inference !== undefined) {
        addConnectService(router, InferenceService, guarded(InferenceService, inference), settings);
      }
      if (search !== undefined) addConnectService(router, SearchService, guarded(SearchService, search), settings);
      admin?.register({
        add: (service, handlers) => addConnectService(router, service, guarded(service, handlers), adminSettings),
      });
    },
  });
}
