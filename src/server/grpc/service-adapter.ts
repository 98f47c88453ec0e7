import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type AlbertError, invariant } from "../../errors.ts";
import { CallBytes } from "../call/byte-budget.ts";
import type { BidiStreamHandler, ServerStreamHandler, ServiceHandlers, UnaryHandler } from "../call/call.ts";
import { decodeMessage } from "../call/decode.ts";
import { encodeReply } from "../call/encode-reply.ts";
import { OpenCall } from "../call/open-call.ts";
import { type CallSettings, runCall } from "../call/run-call.ts";
import { grpcStatus } from "./grpc-status.ts";
import { type CallSurface, GrpcTransport } from "./grpc-transport.ts";
import { type ReplyStream, readRequests, writeReplies } from "./message-streams.ts";

// Connects a service's handlers to grpc-js. It runs no handler itself; that is `runCall`.

/** A service in the form that grpc-js registers. Messages cross as bytes: decoding is ours, so that its errors are too. */
export interface AdaptedService {
  readonly definition: Record<string, MethodDefinition<Uint8Array, Buffer>>;
  readonly implementation: UntypedServiceImplementation;
}

/**
 * The only place where handlers meet grpc-js: decodes and encodes, counts request bytes, watches cancellation, and turns
 * errors into statuses. The call itself is run by `runCall`.
 */
export function adaptService<S extends DescService>(
  service: S,
  handlers: ServiceHandlers<S>,
  settings: CallSettings,
): AdaptedService {
  const definition: AdaptedService["definition"] = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const name = method.localName;
    definition[name] = methodDefinition(method);
    // `ServiceHandlers<S>` has one handler per method of S, of the method's kind; the loop variable loses that link.
    const handler = handlers[name as keyof S["method"]] as unknown;
    switch (method.methodKind) {
      case "unary":
        implementation[name] = unary(method, handler as UnaryHandler<DescMethod>, settings);
        break;
      case "server_streaming":
        implementation[name] = serverStream(method, handler as ServerStreamHandler<DescMethod>, settings);
        break;
      case "bidi_streaming":
        implementation[name] = bidiStream(method, handler as BidiStreamHandler<DescMethod>, settings);
        break;
      default:
        invariant(false, `${service.typeName}.${method.name} is a client-streaming method, which has no adapter`);
    }
  }
  return { definition, implementation };
}

function methodDefinition(method: DescMethod): MethodDefinition<Uint8Array, Buffer> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "bidi_streaming",
    responseStream: method.methodKind !== "unary",
    requestSerialize: (bytes) => Buffer.from(bytes),
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
    originalName: method.localName,
  };
}

function unary(
  method: DescMethod,
  handler: UnaryHandler<DescMethod>,
  settings: CallSettings,
): handleUnaryCall<Uint8Array, Buffer> {
  return (surface, callback) => {
    let reply: Buffer | undefined;
    const work = async (call: OpenCall, bytes: CallBytes) => {
      receive(surface.request.length, call, bytes);
      const request = await decodeMessage(method.input, surface.request, settings.maxValues);
      const encoded = encodeReply(method, await handler(request, call));
      reply = encoded instanceof Promise ? await encoded : encoded;
    };
    runOn(method, surface, settings, work, surface.request.length).then(
      () => callback(null, reply),
      (error: AlbertError) => callback(grpcStatus(error)),
    );
  };
}

function serverStream(
  method: DescMethod,
  handler: ServerStreamHandler<DescMethod>,
  settings: CallSettings,
): handleServerStreamingCall<Uint8Array, Buffer> {
  return (surface) => {
    const done = runOn(method, surface, settings, async (call, bytes) => {
      receive(surface.request.length, call, bytes);
      const request = await decodeMessage(method.input, surface.request, settings.maxValues);
      await writeReplies(method, handler(request, call), surface, call.signal);
    });
    endStream(done, surface);
  };
}

function bidiStream(
  method: DescMethod,
  handler: BidiStreamHandler<DescMethod>,
  settings: CallSettings,
): handleBidiStreamingCall<Uint8Array, Buffer> {
  return (surface) => {
    const done = runOn(method, surface, settings, async (call, bytes) => {
      const requests = async function* () {
        for await (const message of readRequests(surface, call.signal)) {
          receive(message.length, call, bytes);
          yield await decodeMessage(method.input, message, settings.maxValues);
        }
      };
      // Such streams answer item by item: as many requests are done with as replies have been written.
      await writeReplies(method, handler(requests(), call), surface, call.signal, () => bytes.releaseOldest());
    });
    endStream(done, surface);
  };
}

/** Counts a message that has come. @throws AlbertError overloaded MEMORY_BUDGET */
function receive(size: number, call: OpenCall, bytes: CallBytes): void {
  bytes.acquire(size);
  call.allowance?.spend("bytes", size);
}

/** The common part of the library's call objects, whose own overloads do not unite. */
interface CancellableSurface extends CallSurface {
  on(event: "cancelled", listener: () => void): unknown;
  off(event: "cancelled", listener: () => void): unknown;
}

/** Runs a call that came over gRPC; what it counted of the budget is free again when its work is over. */
async function runOn(
  method: DescMethod,
  surface: CancellableSurface,
  settings: CallSettings,
  work: (call: OpenCall, bytes: CallBytes) => Promise<void>,
  requestBytes = 0,
): Promise<void> {
  const call = new OpenCall(method, new GrpcTransport(surface, requestBytes), settings);
  const bytes = new CallBytes(settings.budget);
  surface.on("cancelled", call.onTransportClosed);
  try {
    await runCall(call, settings, async () => {
      try {
        await work(call, bytes);
      } finally {
        bytes.close();
      }
    });
  } finally {
    surface.off("cancelled", call.onTransportClosed);
  }
}

function endStream(done: Promise<void>, surface: ReplyStream): void {
  // After a cancellation the stream is already destroyed; no caller is left to send a status to.
  surface.on("error", () => {});
  done.then(
    () => surface.end(),
    (error: AlbertError) => surface.emit("error", grpcStatus(error)),
  );
}
