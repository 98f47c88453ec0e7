import { create, type DescMethod, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  ServerDuplexStream,
  ServerWritableStream,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type AlbertError, invariant } from "../../errors.ts";
import type { ByteBudget } from "../byte-budget.ts";
import type { BidiStreamHandler, Interceptor, ServerStreamHandler, ServiceHandlers, UnaryHandler } from "../call.ts";
import { decodeMessage } from "../decode.ts";
import { type IncidentLog, toAlbertError } from "../status.ts";
import { GrpcCall } from "./grpc-call.ts";
import { grpcStatus } from "./grpc-status.ts";
import { MessageLedger } from "./message-ledger.ts";

/** What every service of one listener shares. */
export interface AdapterOptions {
  /** Outermost first. */
  readonly interceptors: readonly Interceptor[];
  readonly budget: ByteBudget;
  /** Aborts when the server begins to drain. */
  readonly draining: AbortSignal;
  /** Deadline of calls that set none, and the longest one honoured, in milliseconds. */
  readonly defaultDeadlineMs: number;
  readonly maxDeadlineMs: number;
  readonly logIncident: IncidentLog;
}

/** A service in the form that grpc-js registers. Messages cross as bytes: decoding is ours, so that its errors are too. */
export interface AdaptedService {
  readonly definition: Record<string, MethodDefinition<Uint8Array, Buffer>>;
  readonly implementation: UntypedServiceImplementation;
}

/**
 * The only place where handlers meet grpc-js: wraps each handler in the interceptors, decodes and encodes, watches
 * cancellation and flow control, and turns errors into statuses.
 */
export function adaptService<S extends DescService>(
  service: S,
  handlers: ServiceHandlers<S>,
  options: AdapterOptions,
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
        implementation[name] = unary(method, handler as UnaryHandler<DescMethod>, options);
        break;
      case "server_streaming":
        implementation[name] = serverStream(method, handler as ServerStreamHandler<DescMethod>, options);
        break;
      case "bidi_streaming":
        implementation[name] = bidiStream(method, handler as BidiStreamHandler<DescMethod>, options);
        break;
      default:
        invariant(false, `${service.typeName}.${method.name} is a client-streaming method, which has no adapter`);
    }
  }
  return { definition, implementation };
}

type ReplyStream = ServerWritableStream<Uint8Array, Buffer> | ServerDuplexStream<Uint8Array, Buffer>;
/** The common part of the library's call objects, whose own overloads do not unite. */
interface CancellableSurface {
  on(event: "cancelled", listener: () => void): unknown;
  off(event: "cancelled", listener: () => void): unknown;
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
  options: AdapterOptions,
): handleUnaryCall<Uint8Array, Buffer> {
  return (surface, callback) => {
    const call = new GrpcCall(method, surface, options);
    const bytes = surface.request;
    let reply: Buffer | undefined;
    const run = async () => {
      options.budget.take(bytes.length);
      try {
        const request = decodeMessage(method.input, bytes);
        reply = encode(method, await handler(request, call));
      } finally {
        options.budget.give(bytes.length);
      }
    };
    runCall(call, surface, options, run).then(
      () => callback(null, reply),
      (error: AlbertError) => callback(grpcStatus(error)),
    );
  };
}

function serverStream(
  method: DescMethod,
  handler: ServerStreamHandler<DescMethod>,
  options: AdapterOptions,
): handleServerStreamingCall<Uint8Array, Buffer> {
  return (surface) => {
    const call = new GrpcCall(method, surface, options);
    const run = async () => {
      const request = decodeMessage(method.input, surface.request);
      await writeAll(method, handler(request, call), surface, call);
    };
    endStream(runCall(call, surface, options, run), surface);
  };
}

function bidiStream(
  method: DescMethod,
  handler: BidiStreamHandler<DescMethod>,
  options: AdapterOptions,
): handleBidiStreamingCall<Uint8Array, Buffer> {
  return (surface) => {
    const call = new GrpcCall(method, surface, options);
    const ledger = new MessageLedger(options.budget);
    const run = async () => {
      try {
        const requests = readAll(method, surface, call, ledger);
        await writeAll(method, handler(requests, call), surface, call, () => ledger.answered());
      } finally {
        ledger.close();
      }
    };
    endStream(runCall(call, surface, options, run), surface);
  };
}

/** Runs the onion of interceptors around a call; rejects with nothing but an `AlbertError`. */
async function runCall(
  call: GrpcCall,
  surface: CancellableSurface,
  options: AdapterOptions,
  run: () => Promise<void>,
): Promise<void> {
  const onion = options.interceptors.reduceRight<() => Promise<void>>(
    (inner, interceptor) => async () => interceptor(call, inner),
    run,
  );
  surface.on("cancelled", call.onTransportClosed);
  try {
    await onion();
  } catch (error) {
    throw toAlbertError(error, options.logIncident);
  } finally {
    surface.off("cancelled", call.onTransportClosed);
  }
}

function endStream(done: Promise<void>, surface: ReplyStream): void {
  // After a cancellation the stream is already destroyed; there is nobody to send a status to.
  surface.on("error", () => {});
  done.then(
    () => surface.end(),
    (error: AlbertError) => surface.emit("error", grpcStatus(error)),
  );
}

async function writeAll(
  method: DescMethod,
  replies: AsyncIterable<MessageInitShape<DescMethod["output"]>>,
  surface: ReplyStream,
  call: GrpcCall,
  onWritten: () => void = () => {},
): Promise<void> {
  for await (const reply of replies) {
    call.signal.throwIfAborted();
    // A caller that does not read fills the transport's window; waiting here stops the handler's generator.
    if (!surface.write(encode(method, reply))) await drained(surface, call.signal);
    onWritten();
  }
}

function drained(surface: ReplyStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      surface.off("drain", onDrain);
      reject(signal.reason);
    };
    if (signal.aborted) return reject(signal.reason);
    surface.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

async function* readAll(
  method: DescMethod,
  surface: ServerDuplexStream<Uint8Array, Buffer>,
  call: GrpcCall,
  ledger: MessageLedger,
) {
  // Not the stream's own iterator: that destroys the stream when an error is emitted on it, which is how the library
  // wants to be told the final status.
  while (!surface.readableEnded && !surface.destroyed) {
    const bytes = surface.read() as Uint8Array | null;
    if (bytes !== null) {
      ledger.received(bytes.length);
      yield decodeMessage(method.input, bytes);
    } else {
      await nextEvent(surface, ["readable", "end", "close", "error"]);
    }
  }
  call.signal.throwIfAborted();
}

function nextEvent(surface: ServerDuplexStream<Uint8Array, Buffer>, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) surface.off(event, done);
      resolve();
    };
    for (const event of events) surface.on(event, done);
  });
}

function encode(method: DescMethod, reply: MessageInitShape<DescMethod["output"]>): Buffer {
  const bytes = toBinary(method.output, create(method.output, reply));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
