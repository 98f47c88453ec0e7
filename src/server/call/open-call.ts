import { performance } from "node:perf_hooks";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Allowance } from "../../access/allowances.ts";
import type { Caller } from "../../access/caller.ts";
import type { AlbertError } from "../../errors.ts";
import { CancellationSource } from "../../platform/waiting/cancellation.ts";
import type { Span } from "../../tracing/span.ts";
import type { IncomingCall } from "./call.ts";
import { allowedMs, callerCancelled, type DeadlineSettings, deadlineExceeded } from "./deadline.ts";
import { requestIdOf } from "./request-id.ts";

// One call while it runs: its context, its deadline, its cancellation, whatever the transport.

/** The transport's timer and ours read different clocks. */
const CLOCK_TOLERANCE_MS = 5;

/** What a call needs to know of the connection that it came by. */
export interface Transport {
  /** Address of the caller. */
  peer(): string;
  /** Text metadata (headers) of the call; lower-case names. */
  header(name: string): string | undefined;
  /** Alternative names of the client's certificate, as OpenSSL writes them; none where no authority vouches for it. */
  certificateNames(): readonly string[];
  /** Session of the browser that a request came from; undefined for transports that have none. */
  readonly sessionId?: string | undefined;
  /** Time until the deadline that the caller set, in milliseconds; undefined where it set none. */
  readonly remainingMs: number | undefined;
  /** Size of the request, of unary calls, where the transport knows it. */
  readonly requestBytes?: number;
  /** Told of the span that was made of the call. */
  traced?(span: Span): void;
}

/** What a call takes from its listener. */
export interface OpenCallSettings extends DeadlineSettings {
  /** Aborts when the server begins to drain. */
  readonly draining: AbortSignal;
}

/** One call of any transport, from its arrival to its end, as interceptors and handlers see it. */
export class OpenCall implements IncomingCall {
  readonly service: string;
  readonly method: string;
  readonly requestId: string;
  readonly streaming: boolean;
  readonly receivedAt = performance.now();
  readonly deadlineAt: number;
  readonly draining: AbortSignal;
  readonly cancellation = new CancellationSource();
  readonly #transport: Transport;
  #trace: Span | undefined;
  readonly #facts: Readonly<Record<string, string | number>>[] = [];
  target: Readonly<Record<string, string | number>> | undefined;
  #caller: Caller | undefined;
  #allowance: Allowance | undefined;

  constructor(method: DescMethod, transport: Transport, settings: OpenCallSettings) {
    this.#transport = transport;
    this.service = method.parent.typeName;
    this.method = `${method.parent.typeName}/${method.name}`;
    this.draining = settings.draining;
    this.requestId = requestIdOf(transport.header("x-request-id"));
    this.streaming = method.methodKind !== "unary";
    this.deadlineAt =
      this.receivedAt + allowedMs(transport.remainingMs, this.streaming, settings, transport.requestBytes);
  }

  get trace(): Span | undefined {
    return this.#trace;
  }

  traced(span: Span): void {
    this.#trace = span;
    this.#transport.traced?.(span);
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  get peer(): string {
    return this.#transport.peer();
  }

  header(name: string): string | undefined {
    return this.#transport.header(name);
  }

  certificateNames(): readonly string[] {
    return this.#transport.certificateNames();
  }

  get sessionId(): string | undefined {
    return this.#transport.sessionId;
  }

  get caller(): Caller | undefined {
    return this.#caller;
  }

  admit(caller: Caller): void {
    this.#caller = caller;
  }

  get allowance(): Allowance | undefined {
    return this.#allowance;
  }

  allot(allowance: Allowance): void {
    this.#allowance = allowance;
  }

  aim(target: Readonly<Record<string, string | number>>): void {
    this.target = target;
  }

  get facts(): Readonly<Record<string, string | number>> {
    return Object.assign({}, ...this.#facts);
  }

  annotate(facts: Readonly<Record<string, string | number>>): void {
    this.#facts.push(facts);
  }

  abort(reason: AlbertError): void {
    this.cancellation.abort(reason);
  }

  /** The transport ended the call: the caller cancelled it, its connection broke, or its deadline passed. */
  readonly onTransportClosed = (): void => {
    const late = performance.now() >= this.deadlineAt - CLOCK_TOLERANCE_MS;
    this.abort(late ? deadlineExceeded() : callerCancelled());
  };
}
