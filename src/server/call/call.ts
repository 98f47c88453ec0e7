import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Allowance } from "../../access/allowances.ts";
import type { Caller } from "../../access/caller.ts";
import type { AlbertError } from "../../errors.ts";
import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import type { Span } from "../../tracing/span.ts";

// A call as handlers and interceptors see it, whatever its transport. Types only.

/**
 * What a handler knows about the call it answers. Nothing here belongs to one transport, so that the same handler can be
 * served over gRPC, over HTTP, or called inside the process.
 */
export interface CallContext {
  /** Full name of the method, such as `albert.v1.InferenceService/Classify`. */
  readonly method: string;
  /** The caller's `x-request-id`, or a random one. Safe to log. */
  readonly requestId: string;
  /** When the request had arrived, on the clock of `performance.now()`. */
  readonly receivedAt: number;
  /** When the caller stops waiting, on the same clock. */
  readonly deadlineAt: number;
  /** Aborts when the caller no longer waits; its reason is an `AlbertError` of code deadline, cancelled or unavailable. */
  readonly signal: AbortSignal;
  /** The same as `signal` for those who only listen: most calls have no signal unless somebody asks for it. Absent where `signal` is all there is. */
  readonly cancellation?: Cancellation;
  /** Aborts when the server begins to drain: long-lived streams should finish what they have and end. */
  readonly draining: AbortSignal;
  /** Address of the caller, as the transport shows it. */
  readonly peer: string;
  /** Who calls; absent where the listener does not check callers, and for open methods without a credential. */
  readonly caller?: Caller | undefined;
  /** What its caller may still do; absent where nothing is limited. */
  readonly allowance?: Allowance | undefined;
  /** The call's span, where traces are made. */
  readonly trace?: Span | undefined;
  /** Text metadata (headers) of the call; lower-case names. */
  header(name: string): string | undefined;
  /** Says what the request is about, for the log of who did what. */
  aim?(target: Readonly<Record<string, string | number>>): void;
  /** Adds facts to the call's log line: identifiers and numbers, never text of a request. */
  annotate(facts: Readonly<Record<string, string | number>>): void;
}

/** A call as interceptors see it: they may also end it. */
export interface IncomingCall extends CallContext {
  /** Full name of the service, such as `albert.v1.InferenceService`. */
  readonly service: string;
  /** Whether more than one message goes either way. */
  readonly streaming: boolean;
  /** What the handler has annotated so far. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Alternative names of the client's certificate, where an authority that the server trusts vouches for it. */
  certificateNames(): readonly string[];
  /** Session of the browser that a request came from, if its page made it. */
  readonly sessionId: string | undefined;
  /** Says in which span it runs. */
  traced(span: Span): void;
  /** Says who calls. */
  admit(caller: Caller): void;
  /** Says what its caller may still do. */
  allot(allowance: Allowance): void;
  /** Names, ids and numbers of the request that say what it is about, once it was decoded. */
  readonly target?: Readonly<Record<string, string | number>> | undefined;
  /** Stops the work for this call. Only the first reason counts. */
  abort(reason: AlbertError): void;
}

/** One message in, one out. */
export type UnaryHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: CallContext,
) => Promise<MessageInitShape<M["output"]>>;

/** One message in, many out. */
export type ServerStreamHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/** Many messages in, many out. */
export type BidiStreamHandler<M extends DescMethod> = (
  requests: AsyncIterable<MessageShape<M["input"]>>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/** The handler that fits a method's kind. The project has no client-streaming methods. */
export type Handler<M extends DescMethod> = M["methodKind"] extends "unary"
  ? UnaryHandler<M>
  : M["methodKind"] extends "server_streaming"
    ? ServerStreamHandler<M>
    : M["methodKind"] extends "bidi_streaming"
      ? BidiStreamHandler<M>
      : never;

/** Every method of a service. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};
