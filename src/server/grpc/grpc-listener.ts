import type { DescService } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerOptions } from "@grpc/grpc-js";
import { AlbertError } from "../../errors.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import type { ServiceHandlers } from "../call/call.ts";
import type { CallSettings } from "../call/run-call.ts";
import { callOutcome, type OutcomeListener } from "./call-outcome.ts";
import { limitHttp2, watchHttp2 } from "./http2-limits.ts";
import { reflectionHandlers } from "./reflection.ts";
import { adaptService } from "./service-adapter.ts";

// A gRPC listener: its address, its limits, and its shutdown. It knows no service.

/** Bounds on connections and messages of one listener. */
export interface ConnectionLimits {
  readonly maxMessageBytes: number;
  readonly maxMetadataBytes: number;
  readonly maxStreamsPerConnection: number;
  readonly keepaliveMinIntervalMs: number;
  /** Absent: connections may become as old as their clients like. */
  readonly connectionMaxAgeMs?: number;
  readonly connectionMaxAgeGraceMs: number;
  readonly connectionMaxIdleMs: number;
}

export interface GrpcListenerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly limits: ConnectionLimits;
  readonly reflection: boolean;
  readonly calls: CallSettings;
  readonly onOutcome: OutcomeListener;
  readonly credentials?: ServerCredentials;
}

/** Time a peer has to answer a keepalive ping. */
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** One listening gRPC address with its services. Starts refusing, then closes, through `close`. */
export class GrpcListener {
  /** `host:port` with the port that was bound. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /**
   * @param register  adds the services
   * @throws AlbertError precondition ADDRESS_UNAVAILABLE when the address cannot be bound
   */
  static async open(
    options: GrpcListenerOptions,
    register: (services: ServiceRegistrar) => void,
  ): Promise<GrpcListener> {
    const server = new Server(serverOptions(options));
    limitHttp2(server, options.limits);
    const services: DescService[] = [];
    const registrar: ServiceRegistrar = {
      add: (service, handlers) => {
        const { definition, implementation } = adaptService(service, handlers, options.calls);
        server.addService(definition, implementation);
        services.push(service);
      },
    };
    register(registrar);
    if (options.reflection) {
      const handlers = reflectionHandlers(services);
      registrar.add(ServerReflection, handlers);
      // The same messages in another package: only the names of the types differ.
      registrar.add(ServerReflectionAlpha, handlers as unknown as ServiceHandlers<typeof ServerReflectionAlpha>);
    }
    const port = await bind(server, options.address, options.credentials ?? ServerCredentials.createInsecure());
    watchHttp2(server, options.limits);
    return new GrpcListener(server, options.address.replace(/:\d+$/, `:${port}`));
  }

  /**
   * Stops accepting, lets calls in progress finish for at most `graceMs`, then cuts what is left. Always resolves within
   * about that time.
   *
   * @returns whether every call finished by itself
   */
  async close(graceMs: number): Promise<boolean> {
    const finished = new Promise<boolean>((resolve) =>
      this.#server.tryShutdown((error) => resolve(error === undefined)),
    );
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), graceMs);
    });
    const clean = await Promise.race([finished, timeout]);
    clearTimeout(timer);
    this.#server.forceShutdown();
    return clean;
  }
}

/** Where services are added to a listener. */
export interface ServiceRegistrar {
  add<S extends DescService>(service: S, handlers: ServiceHandlers<S>): void;
}

function serverOptions({ limits, calls, onOutcome }: GrpcListenerOptions): ServerOptions {
  return {
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_concurrent_streams": limits.maxStreamsPerConnection,
    "grpc.keepalive_time_ms": limits.keepaliveMinIntervalMs,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    ...(limits.connectionMaxAgeMs === undefined
      ? {}
      : {
          "grpc.max_connection_age_ms": limits.connectionMaxAgeMs,
          "grpc.max_connection_age_grace_ms": limits.connectionMaxAgeGraceMs,
        }),
    "grpc.max_connection_idle_ms": limits.connectionMaxIdleMs,
    // Its bookkeeping per connection and call has leaked before, and nothing here reads it.
    "grpc.enable_channelz": 0,
    interceptors: [callOutcome(limits.maxMessageBytes, calls.budget, onOutcome)],
  };
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (cause === null) return resolve(port);
      const message = `cannot listen on ${address}: choose another address, or stop what uses it`;
      reject(new AlbertError("precondition", message, { reason: "ADDRESS_UNAVAILABLE", cause }));
    });
  });
}
