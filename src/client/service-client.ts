import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, type CallOptions as GrpcCallOptions, Metadata } from "@grpc/grpc-js";
import { toCallError } from "./call-error.ts";

// Turns a service's description into typed functions. It knows no particular service.

/** How one call is to be made. */
export interface CallOptions {
  /** Milliseconds after which the call fails with DEADLINE_EXCEEDED, retries included. The client's default if absent. */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Metadata to send, such as `x-request-id`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One method of a service as a function. */
export type ClientMethod<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (request: MessageInitShape<M["input"]>, options?: CallOptions) => Promise<MessageShape<M["output"]>>
  : M["methodKind"] extends "server_streaming"
    ? (request: MessageInitShape<M["input"]>, options?: CallOptions) => AsyncIterable<MessageShape<M["output"]>>
    : M["methodKind"] extends "bidi_streaming"
      ? (
          requests: AsyncIterable<MessageInitShape<M["input"]>> | Iterable<MessageInitShape<M["input"]>>,
          options?: CallOptions,
        ) => AsyncIterable<MessageShape<M["output"]>>
      : never;

/** A service's methods by their names in lower camel case. Failed calls throw `CallError`. */
export type ServiceClient<S extends DescService> = { readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]> };

/** What calls do unless their own options say otherwise. */
export interface CallDefaults {
  /** For unary calls. Streams have no deadline unless a call sets one. */
  readonly deadlineMs: number;
  /** How much longer unary calls have for each byte of their request. */
  readonly msPerByte?: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked for more metadata before each call. */
  readonly headersOfCall?: () => Readonly<Record<string, string>>;
}

/**
 * Typed access to one service over an open channel.
 *
 * @internal
 */
export function serviceClient<S extends DescService>(
  service: S,
  channel: Client,
  defaults: CallDefaults,
): ServiceClient<S> {
  const methods = service.methods.map((method) => [method.localName, methodOf(method, channel, defaults)]);
  // One function per method of S, of that method's kind: the loop over names loses what the mapped type states.
  return Object.fromEntries(methods) as ServiceClient<S>;
}

function methodOf(method: DescMethod, channel: Client, defaults: CallDefaults): unknown {
  switch (method.methodKind) {
    case "unary":
      return (request: MessageInitShape<DescMethod["input"]>, options: CallOptions = {}) =>
        callUnary(method, channel, defaults, request, options);
    case "server_streaming":
      return (request: MessageInitShape<DescMethod["input"]>, options: CallOptions = {}) =>
        readStream(method, channel, defaults, request, options);
    default:
      return (requests: AsyncIterable<MessageInitShape<DescMethod["input"]>>, options: CallOptions = {}) =>
        exchange(method, channel, defaults, requests, options);
  }
}

function callUnary(
  method: DescMethod,
  channel: Client,
  defaults: CallDefaults,
  request: MessageInitShape<DescMethod["input"]>,
  options: CallOptions,
): Promise<MessageShape<DescMethod["output"]>> {
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const bytes = encode(method, request);
    const deadlineMs = defaults.deadlineMs + (defaults.msPerByte ?? 0) * bytes.length;
    const call = channel.makeUnaryRequest(
      pathOf(method),
      (encoded: Buffer) => encoded,
      (received: Buffer) => fromBinary(method.output, received),
      bytes,
      metadataOf(defaults, options),
      grpcOptions({ deadlineMs, ...options }),
      (error, reply) => {
        stop();
        if (error === null) resolve(reply!);
        else reject(options.signal?.aborted ? options.signal.reason : toCallError(error));
      },
    );
    const stop = cancelOn(options.signal, call);
  });
}

async function* readStream(
  method: DescMethod,
  channel: Client,
  defaults: CallDefaults,
  request: MessageInitShape<DescMethod["input"]>,
  options: CallOptions,
): AsyncGenerator<MessageShape<DescMethod["output"]>> {
  options.signal?.throwIfAborted();
  const call = channel.makeServerStreamRequest(
    pathOf(method),
    (message: MessageInitShape<DescMethod["input"]>) => encode(method, message),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    request,
    metadataOf(defaults, options),
    grpcOptions(options),
  );
  const stop = cancelOn(options.signal, call);
  try {
    yield* call as AsyncIterable<MessageShape<DescMethod["output"]>>;
  } catch (error) {
    throw options.signal?.aborted ? options.signal.reason : toCallError(error);
  } finally {
    stop();
    call.cancel();
  }
}

async function* exchange(
  method: DescMethod,
  channel: Client,
  defaults: CallDefaults,
  requests: AsyncIterable<MessageInitShape<DescMethod["input"]>>,
  options: CallOptions,
): AsyncGenerator<MessageShape<DescMethod["output"]>> {
  options.signal?.throwIfAborted();
  const call = channel.makeBidiStreamRequest(
    pathOf(method),
    (message: MessageInitShape<DescMethod["input"]>) => encode(method, message),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    metadataOf(defaults, options),
    grpcOptions(options),
  );
  const stop = cancelOn(options.signal, call);
  let sourceError: unknown;
  const send = async () => {
    for await (const request of requests) {
      if (call.destroyed) return;
      // Waiting for the window keeps a fast source from piling up in memory.
      if (!call.write(request)) await new Promise<void>((resolve) => onceAny(call, ["drain", "close"], resolve));
    }
    call.end();
  };
  send().catch((error) => {
    sourceError = error;
    call.cancel();
  });
  try {
    yield* call as AsyncIterable<MessageShape<DescMethod["output"]>>;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw options.signal?.aborted ? options.signal.reason : toCallError(error);
  } finally {
    stop();
    call.cancel();
  }
}

function onceAny(
  emitter: { once(event: string, listener: () => void): unknown; off(event: string, listener: () => void): unknown },
  events: readonly string[],
  listener: () => void,
): void {
  const done = () => {
    for (const event of events) emitter.off(event, done);
    listener();
  };
  for (const event of events) emitter.once(event, done);
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encode(method: DescMethod, message: MessageInitShape<DescMethod["input"]>): Buffer {
  return Buffer.from(toBinary(method.input, create(method.input, message)));
}

function metadataOf(defaults: CallDefaults, options: CallOptions): Metadata {
  const metadata = new Metadata();
  const headers = { ...defaults.headers, ...defaults.headersOfCall?.(), ...options.headers };
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

function grpcOptions({ deadlineMs }: CallOptions): GrpcCallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}
