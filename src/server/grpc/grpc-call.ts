import { setMaxListeners } from "node:events";
import { performance } from "node:perf_hooks";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Deadline, Metadata } from "@grpc/grpc-js";
import type { AlbertError } from "../../errors.ts";
import type { IncomingCall } from "../call.ts";
import { allowedMs, type CallSettings } from "../call-deadline.ts";
import { callerGone, callLate } from "../call-endings.ts";
import { requestIdOf } from "../request-id.ts";

/** The transport's timer and ours read different clocks. */
const CLOCK_TOLERANCE_MS = 5;

/** What is used of the library's call objects, of whatever kind. */
interface CallSurface {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Deadline;
}

/** One call on a gRPC connection, as interceptors and handlers see it. */
export class GrpcCall implements IncomingCall {
  readonly service: string;
  readonly method: string;
  readonly requestId: string;
  readonly streaming: boolean;
  readonly receivedAt = performance.now();
  readonly deadlineAt: number;
  readonly draining: AbortSignal;
  readonly #surface: CallSurface;
  readonly #abort = new AbortController();
  readonly #facts: Readonly<Record<string, string | number>>[] = [];

  constructor(method: DescMethod, surface: CallSurface, settings: CallSettings) {
    this.#surface = surface;
    this.service = method.parent.typeName;
    this.method = `${method.parent.typeName}/${method.name}`;
    this.draining = settings.draining;
    this.requestId = requestIdOf(this.header("x-request-id"));
    this.streaming = method.methodKind !== "unary";
    // Each item of a batch or stream listens; their number is bounded by the limits of both.
    setMaxListeners(0, this.#abort.signal);
    this.deadlineAt = this.receivedAt + allowedMs(remainingMs(surface), this.streaming, settings);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get peer(): string {
    return this.#surface.getPeer();
  }

  header(name: string): string | undefined {
    const value = this.#surface.metadata.get(name)[0];
    return typeof value === "string" ? value : undefined;
  }

  get facts(): Readonly<Record<string, string | number>> {
    return Object.assign({}, ...this.#facts);
  }

  annotate(facts: Readonly<Record<string, string | number>>): void {
    this.#facts.push(facts);
  }

  abort(reason: AlbertError): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }

  /** The transport ended the call: the caller cancelled it, its connection broke, or its deadline passed. */
  readonly onTransportClosed = (): void => {
    const late = performance.now() >= this.deadlineAt - CLOCK_TOLERANCE_MS;
    this.abort(late ? callLate() : callerGone());
  };
}

/** Time until the deadline that the caller set, if any. */
function remainingMs(surface: CallSurface): number | undefined {
  const deadline = surface.getDeadline();
  const epochMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(epochMs) ? epochMs - Date.now() : undefined;
}
