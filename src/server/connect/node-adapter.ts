import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { Compression, UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { type ByteBudget, CallBytes } from "../call/byte-budget.ts";
import { CONNECTION, connectionOf } from "./connection.ts";
import { MessageGuard } from "./message-guard.ts";
import { withPreparedReply } from "./prepared-reply.ts";

// Connects the services to Node's HTTP server for Connect, gRPC-Web and JSON, with a byte budget. It knows no service.

export interface ConnectAdapterOptions {
  /** Largest message of a call, also after decompression. */
  readonly maxMessageBytes: number;
  /** The most values of a message. */
  readonly maxValues: number;
  /** What request and reply bytes of all calls count against. */
  readonly budget: ByteBudget;
  /** Adds the services. */
  readonly routes: (router: ConnectRouter) => void;
  /** Answers requests that are no calls. */
  readonly fallback: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * Connects the router's handlers to Node's HTTP server, as Connect's own adapter does, and beyond it counts the bytes of
 * requests and replies and tells callers of bodies that cannot be decoded. Knows no service and no handler of ours.
 */
export function connectListener(
  options: ConnectAdapterOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { maxMessageBytes, maxValues, budget } = options;
  const guards = new AsyncLocalStorage<MessageGuard>();
  const router = createConnectRouter({
    readMaxBytes: maxMessageBytes,
    acceptCompression: [guarded(compressionGzip, guards), guarded(compressionBrotli, guards)],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url?.split("?", 1)[0] ?? "");
    if (handler === undefined) return options.fallback(request, response);
    if (handler.method.methodKind === "bidi_streaming") return refuseBidi(handler, response);
    const bytes = new CallBytes(budget);
    response.once("close", () => bytes.close());
    const guard = new MessageGuard(handler.method, request.headers, { maxMessageBytes, maxValues }, bytes);
    const call = () => answer(handler, request, response, guard, bytes);
    // Rejects when the caller has gone; the handler heard of it by its signal.
    guards.run(guard, () => withPreparedReply(call).catch(() => response.destroy()));
  };
}

async function answer(
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse,
  guard: MessageGuard,
  bytes: CallBytes,
): Promise<void> {
  const values = createContextValues().set(CONNECTION, { ...connectionOf(request), received: () => bytes.received });
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  const reply = await handler({ ...universal, body: guard.check(request) });
  const { body } = reply;
  const counted = body === undefined ? {} : { body: countedReply(body as AsyncIterable<Uint8Array>, bytes) };
  await universalResponseToNodeResponse({ ...reply, ...counted }, response);
}

/** Holds each chunk of a reply until the next one is asked for, which is when the socket has taken it. */
async function* countedReply(chunks: AsyncIterable<Uint8Array>, bytes: CallBytes): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    bytes.hold(chunk.length);
    yield chunk;
    bytes.releaseReply(chunk.length);
  }
}

/** What a message unpacks to counts too, and is looked at like one that came plain. */
function guarded(compression: Compression, guards: AsyncLocalStorage<MessageGuard>): Compression {
  return {
    ...compression,
    decompress: async (packed, maxBytes) => {
      const plain = await compression.decompress(packed, maxBytes);
      await guards.getStore()?.unpacked(plain);
      return plain;
    },
  };
}

/** Browsers cannot stream both ways. The body is not read: the connection ends with the answer. */
function refuseBidi({ method }: UniversalHandler, response: ServerResponse): void {
  const message = `${method.name} streams in both directions: call it over gRPC, on the public listener`;
  response
    .writeHead(501, { "content-type": "application/json", connection: "close" })
    .end(JSON.stringify({ code: "unimplemented", message }));
}
