import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { AlbertError } from "../../errors.ts";
import type { Interceptor, ServerStreamHandler, ServiceHandlers, UnaryHandler } from "../call.ts";
import type { CallSettings } from "../call-deadline.ts";
import { type IncidentLog, toAlbertError, toWireError } from "../status.ts";
import { ConnectCall } from "./connect-call.ts";
import { Rendezvous } from "./rendezvous.ts";

export interface ConnectAdapterOptions extends CallSettings {
  /** Outermost first. */
  readonly interceptors: readonly Interceptor[];
  readonly logIncident: IncidentLog;
}

/**
 * Serves a service's handlers over Connect, gRPC-Web and JSON: the same handlers, interceptors and errors as on the gRPC
 * listener. Methods that stream both ways are left out: browsers cannot call them.
 */
export function addConnectService<S extends DescService>(
  router: ConnectRouter,
  service: S,
  handlers: ServiceHandlers<S>,
  options: ConnectAdapterOptions,
): void {
  const implementation: Record<string, unknown> = {};
  for (const method of service.methods) {
    // `ServiceHandlers<S>` has one handler per method of S, of the method's kind; the loop variable loses that link.
    const handler = handlers[method.localName as keyof S["method"]] as unknown;
    if (method.methodKind === "unary") {
      implementation[method.localName] = unary(method, handler as UnaryHandler<DescMethod>, options);
    } else if (method.methodKind === "server_streaming") {
      implementation[method.localName] = serverStream(method, handler as ServerStreamHandler<DescMethod>, options);
    }
  }
  // A field that the contract does not have is a mistake of whoever wrote the JSON, which would else be ignored silently.
  const strict = { jsonOptions: { ignoreUnknownFields: false } };
  router.service(service, implementation as Partial<ServiceImpl<S>>, strict);
}

function unary(method: DescMethod, handler: UnaryHandler<DescMethod>, options: ConnectAdapterOptions) {
  return async (request: Parameters<typeof handler>[0], context: HandlerContext) => {
    const call = new ConnectCall(method, context, options);
    let reply: Awaited<ReturnType<typeof handler>> | undefined;
    await runCall(call, options, async () => {
      reply = await handler(request, call);
    });
    return reply;
  };
}

function serverStream(method: DescMethod, handler: ServerStreamHandler<DescMethod>, options: ConnectAdapterOptions) {
  return (request: Parameters<typeof handler>[0], context: HandlerContext) => {
    const call = new ConnectCall(method, context, options);
    const replies = new Rendezvous<Awaited<ReturnType<UnaryHandler<DescMethod>>>>();
    runCall(call, options, async () => {
      for await (const reply of handler(request, call)) await replies.put(reply);
    }).then(
      () => replies.end(),
      (error: unknown) => replies.end({ error }),
    );
    return replies;
  };
}

/** Runs the onion of interceptors around a call; rejects with nothing but a `ConnectError`. */
async function runCall(call: ConnectCall, options: ConnectAdapterOptions, run: () => Promise<void>): Promise<void> {
  const onion = options.interceptors.reduceRight<() => Promise<void>>(
    (inner, interceptor) => async () => interceptor(call, inner),
    run,
  );
  try {
    await onion();
  } catch (error) {
    throw connectError(toAlbertError(error, options.logIncident));
  }
}

/** An error in the form that Connect sends: code, message, and the same details as on gRPC. */
function connectError(error: AlbertError): ConnectError {
  const { status, retryPushbackMs } = toWireError(error);
  const headers = retryPushbackMs === undefined ? {} : { "grpc-retry-pushback-ms": String(retryPushbackMs) };
  const wire = new ConnectError(status.message, status.code, headers); // codes are gRPC's own numbers
  wire.details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return wire;
}
