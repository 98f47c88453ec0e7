import { setMaxListeners } from "node:events";
import { performance } from "node:perf_hooks";
import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { AlbertError } from "../../errors.ts";
import type { IncomingCall } from "../call.ts";
import { allowedMs, type CallSettings } from "../call-deadline.ts";
import { callerGone, callLate } from "../call-endings.ts";
import { requestIdOf } from "../request-id.ts";

/** One call that arrived over HTTP, as interceptors and handlers see it. */
export class ConnectCall implements IncomingCall {
  readonly service: string;
  readonly method: string;
  readonly requestId: string;
  readonly streaming: boolean;
  readonly receivedAt = performance.now();
  readonly deadlineAt: number;
  readonly draining: AbortSignal;
  readonly peer = "http";
  readonly #headers: Headers;
  readonly #abort = new AbortController();
  readonly #facts: Record<string, string | number> = {};

  constructor(method: DescMethod, context: HandlerContext, settings: CallSettings) {
    this.service = method.parent.typeName;
    this.method = `${method.parent.typeName}/${method.name}`;
    this.#headers = context.requestHeader;
    this.draining = settings.draining;
    this.requestId = requestIdOf(this.header("x-request-id"));
    this.streaming = method.methodKind !== "unary";
    // Each item of a batch listens; their number is bounded by its limit.
    setMaxListeners(0, this.#abort.signal);
    this.deadlineAt = this.receivedAt + allowedMs(context.timeoutMs(), this.streaming, settings);
    const ended = () => this.abort(performance.now() >= this.deadlineAt ? callLate() : callerGone());
    if (context.signal.aborted) ended();
    else context.signal.addEventListener("abort", ended, { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  header(name: string): string | undefined {
    return this.#headers.get(name) ?? undefined;
  }

  get facts(): Readonly<Record<string, string | number>> {
    return this.#facts;
  }

  annotate(facts: Readonly<Record<string, string | number>>): void {
    Object.assign(this.#facts, facts);
  }

  abort(reason: AlbertError): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }
}
