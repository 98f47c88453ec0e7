import { performance } from "node:perf_hooks";
import { AlbertError } from "../../errors.ts";
import { draining } from "../../serving/errors.ts";
import type { Tracer } from "../../tracing/span.ts";
import { parseTraceparent, TRACEPARENT, TRACESTATE } from "../../tracing/traceparent.ts";
import { credentialsRefused } from "../access/refusals.ts";
import type { ServerLog } from "../log.ts";
import type { IncomingCall } from "./call.ts";

// What happens around every call, whatever its transport and handler: log line, count of open streams, authorisation,
// drain. The interceptors know calls only by their context, never their messages.

/**
 * Sees every call before its handler does, and refuses it by throwing. What it returns is called once when the call has ended, unary or
 * streaming: when the last message has been handed to the transport, or something failed. One that has nothing to wait for, or to do at the
 * end, returns neither a promise nor a function: that is the way of most, for most calls.
 */
export type Interceptor = (call: IncomingCall) => Ending | undefined | Promise<Ending | undefined>;

/** @param error  what the call failed with; undefined for one that ended well */
export type Ending = (call: IncomingCall, error: unknown) => void;

/**
 * Decides whether a caller may make a call: the one seam for tokens, certificates and scopes. A listener without one admits
 * everyone who reaches it. It sees the call's method, headers and peer, before the request is decoded.
 *
 * @throws AlbertError unauthenticated for a caller it does not know; forbidden for a call it does not allow
 */
export type Authorizer = (call: IncomingCall) => void | Promise<void>;

/** What the interceptors of one listener are made from. */
export interface InterceptorOptions {
  readonly log: ServerLog;
  /** Log every call at level debug. */
  readonly logAll: boolean;
  /** Log calls that take longer than this at level warn; 0: none. Streams last as long as their callers like, and never count. */
  readonly slowMs: number;
  /** Receives each change of the number of open streams. */
  readonly streamsOpen: (change: 1 | -1) => void;
  readonly authorizer?: Authorizer;
  /** Makes a span of every call; none is made without. */
  readonly tracer?: Tracer;
  /** Keeps who did what; nothing is kept without. */
  readonly audit?: Interceptor;
  /** Holds callers to their limits; none are held without. */
  readonly limits?: Interceptor;
}

/** The interceptors of a listener, outermost first. A refused caller is logged too, and no call is authorised twice. */
export function listenerInterceptors(options: InterceptorOptions): readonly Interceptor[] {
  const { authorizer, audit, limits, tracer } = options;
  return [
    ...(tracer === undefined ? [] : [traceCalls(tracer)]),
    callLog(options),
    ...(audit === undefined ? [] : [audit]),
    openStreams(options.streamsOpen),
    ...(authorizer === undefined ? [] : [authorize(authorizer)]),
    refuseWhileDraining,
    ...(limits === undefined ? [] : [limits]),
  ];
}

/** A span from the arrival of a call to its end, in the trace that its caller names. */
function traceCalls(tracer: Tracer): Interceptor {
  return (call) => {
    const parent = parseTraceparent(call.header(TRACEPARENT), call.header(TRACESTATE));
    const [service, method] = [call.service, call.method.slice(call.service.length + 1)];
    const attributes = { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method };
    const span = tracer.call(call.method, call.receivedAt, parent, {
      ...attributes,
      "albert.request_id": call.requestId,
    });
    call.traced(span);
    return (_, error) => {
      if (span.context.sampled) span.annotate(factsOf(call));
      span.end(error === undefined ? undefined : reasonOf(error));
    };
  };
}

/** What a call failed of, as logs and traces name it. */
function reasonOf(error: unknown): string {
  return error instanceof AlbertError ? error.reason : "BUG";
}

/** What handlers said of a call, as attributes. */
function factsOf({ facts }: IncomingCall): Readonly<Record<string, string | number>> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [`albert.${name}`, value]));
}

/** One line per logged call. Lines hold names, numbers and reasons; never text of a request or an answer. */
function callLog({ log, logAll, slowMs }: Pick<InterceptorOptions, "log" | "logAll" | "slowMs">): Interceptor {
  const write: Ending = (call, error) => {
    const ms = performance.now() - call.receivedAt;
    const slow = slowMs > 0 && ms > slowMs && !call.streaming;
    // Most calls are not logged; nothing is built for them.
    if (!slow && !logAll) return;
    const line = {
      method: call.method,
      request_id: call.requestId,
      outcome: error === undefined ? "ok" : reasonOf(error),
      ms: Math.round(ms),
      ...traceOf(call),
      ...call.facts,
    };
    if (slow) log.warn(line, "slow call");
    else log.debug(line, "call");
  };
  return () => write;
}

/** Where a line's call is found among the traces. */
function traceOf({ trace }: IncomingCall): Readonly<Record<string, string>> {
  return trace === undefined ? {} : { trace_id: trace.context.traceId, span_id: trace.context.spanId };
}

/** Counts streaming calls while they are open. */
function openStreams(count: (change: 1 | -1) => void): Interceptor {
  const close = () => count(-1);
  return (call) => {
    if (!call.streaming) return undefined;
    count(1);
    return close;
  };
}

/** A stream ends so long after the credential with which it was opened no longer holds. */
const VALIDITY_CHECK_MS = 1000;

/** Runs the listener's authorizer before every call of every service, health and reflection included. */
function authorize(authorizer: Authorizer): Interceptor {
  return (call) => {
    const deciding = authorizer(call);
    return deciding === undefined ? watchValidity(call) : deciding.then(() => watchValidity(call));
  };
}

/** Ends a stream whose caller's credential no longer holds. */
function watchValidity(call: IncomingCall): Ending | undefined {
  const { caller } = call;
  if (!call.streaming || caller === undefined) return undefined;
  const check = () => {
    if (!caller.valid()) call.abort(credentialsRefused());
  };
  const timer = setInterval(check, VALIDITY_CHECK_MS);
  return () => clearInterval(timer);
}

/** Services and methods that must still answer while the server drains, so that others can see that it does. */
export const ANSWERS_TO_THE_END = new Set([
  "grpc.health.v1.Health",
  "inference.GRPCInferenceService/ServerLive",
  "inference.GRPCInferenceService/ServerReady",
  "inference.GRPCInferenceService/ModelReady",
]);

/** Refuses new calls once the server drains; those in progress go on. */
const refuseWhileDraining: Interceptor = (call) => {
  if (!call.draining.aborted || ANSWERS_TO_THE_END.has(call.service) || ANSWERS_TO_THE_END.has(call.method))
    return undefined;
  throw draining();
};
