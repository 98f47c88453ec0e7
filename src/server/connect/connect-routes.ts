import { create, createRegistry, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.js";
import type { ServerStreamHandler, ServiceHandlers, UnaryHandler } from "../call/call.ts";
import { OpenCall, type Transport } from "../call/open-call.ts";
import { type CallSettings, runCall } from "../call/run-call.ts";
import { Channel } from "./channel.ts";
import { connectError } from "./connect-error.ts";
import { CONNECTION } from "./connection.ts";
import { preparedText, prepareReply } from "./prepared-reply.ts";

/**
 * How messages look as JSON: every field without presence is there, also when it is 0, false or empty, so that a caller need
 * not know defaults; details of failed items are spelled out. A field that the contract does not have is a mistake of the client that
 * wrote the JSON, which would else be ignored silently.
 */
const JSON_OPTIONS = {
  alwaysEmitImplicit: true,
  ignoreUnknownFields: false,
  registry: createRegistry(file_google_rpc_error_details),
};

/** Connect takes an encoder of text with them. */
const CONNECT_JSON = { ...JSON_OPTIONS, textEncoder: preparedText };

/**
 * Serves a service's handlers over Connect, gRPC-Web and JSON: the same handlers, interceptors and errors as on the gRPC
 * listener. Methods that stream both ways are left out: browsers cannot call them.
 */
export function addConnectService<S extends DescService>(
  router: ConnectRouter,
  service: S,
  handlers: ServiceHandlers<S>,
  settings: CallSettings,
): void {
  const implementation: Record<string, unknown> = {};
  for (const method of service.methods) {
    // `ServiceHandlers<S>` has one handler per method of S, of the method's kind; the loop variable loses that link.
    const handler = handlers[method.localName as keyof S["method"]] as unknown;
    if (method.methodKind === "unary") {
      implementation[method.localName] = unary(method, handler as UnaryHandler<DescMethod>, settings);
    } else if (method.methodKind === "server_streaming") {
      implementation[method.localName] = serverStream(method, handler as ServerStreamHandler<DescMethod>, settings);
    }
  }
  router.service(service, implementation as Partial<ServiceImpl<S>>, { jsonOptions: CONNECT_JSON });
}

type Request = Parameters<UnaryHandler<DescMethod>>[0];
type Reply = Awaited<ReturnType<UnaryHandler<DescMethod>>>;

function unary(method: DescMethod, handler: UnaryHandler<DescMethod>, settings: CallSettings) {
  return async (request: Request, context: HandlerContext) => {
    let reply: Message | undefined;
    await runOn(method, context, settings, async (call) => {
      const message = create(method.output, await handler(request, call));
      reply = await prepareReply(method.output, message, formatOf(context), JSON_OPTIONS);
    });
    return reply;
  };
}

function formatOf({ requestMethod, requestHeader, url }: HandlerContext): "binary" | "json" {
  const asked =
    requestMethod === "GET"
      ? new URL(url).searchParams.get("encoding")
      : (requestHeader.get("content-type")?.split(";", 1)[0] ?? "");
  return asked?.endsWith("json") ? "json" : "binary";
}

function serverStream(method: DescMethod, handler: ServerStreamHandler<DescMethod>, settings: CallSettings) {
  return (request: Request, context: HandlerContext) => {
    const replies = new Channel<Reply>();
    runOn(method, context, settings, async (call) => {
      for await (const reply of handler(request, call)) await replies.send(reply);
    }).then(
      () => replies.close(),
      (error: unknown) => replies.close({ error }),
    );
    return replies;
  };
}

/** Runs a call that came over HTTP; rejects with nothing but a `ConnectError`. */
async function runOn(
  method: DescMethod,
  context: HandlerContext,
  settings: CallSettings,
  work: (call: OpenCall) => Promise<void>,
): Promise<void> {
  const call = new OpenCall(method, httpTransport(context), settings);
  if (context.signal.aborted) call.onTransportClosed();
  else context.signal.addEventListener("abort", call.onTransportClosed, { once: true });
  try {
    await runCall(call, settings, () => {
      call.allowance?.spend("bytes", context.values.get(CONNECTION).received());
      return work(call);
    });
  } catch (error) {
    throw connectError(error);
  } finally {
    context.signal.removeEventListener("abort", call.onTransportClosed);
  }
}

function httpTransport(context: HandlerContext): Transport {
  return {
    peer: () => context.values.get(CONNECTION).peer,
    sessionId: context.values.get(CONNECTION).sessionId,
    certificateNames: () => context.values.get(CONNECTION).certificateNames(),
    header: (name) => context.requestHeader.get(name) ?? undefined,
    remainingMs: context.timeoutMs(),
    requestBytes: Number(/^\d{1,9}$/.exec(context.requestHeader.get("content-length") ?? "") ?? 0),
  };
}
