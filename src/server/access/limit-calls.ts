import { Allowances } from "../../access/allowances.ts";
import type { LimitsConfig } from "../../config/settings.ts";
import type { IncomingCall } from "../call/call.ts";
import { ANSWERS_TO_THE_END, type Interceptor } from "../call/interceptors.ts";
import { addressOf } from "./address.ts";

// Holds each caller to its limits: the one place for all transports.

/** The allowances of a server as it is configured. @param onRefused  receives the name of the limit of each refusal */
export function openAllowances(config: LimitsConfig, onRefused: (limit: string) => void): Allowances {
  const { requestsPerSecond, tokensPerSecond, bytesPerSecond, burstSeconds, streams, jobs } = config;
  const limits = {
    requests_per_second: requestsPerSecond,
    tokens_per_second: tokensPerSecond,
    bytes_per_second: bytesPerSecond,
    streams,
    jobs,
  };
  return new Allowances({ limits, burstSeconds, onRefused });
}

/** Refuses a call beyond what its caller may do. Probes are let in whatever else their address does, their streams are counted. */
export function limitCalls(allowances: Allowances): Interceptor {
  return (call) => {
    const own = call.caller?.limits;
    if (!allowances.bounds(own, call.streaming)) return undefined;
    const allowance = allowances.of(callerName(call), own);
    if (!ANSWERS_TO_THE_END.has(call.service) && !ANSWERS_TO_THE_END.has(call.method)) allowance.take();
    call.allot(allowance);
    return call.streaming ? allowance.openStream() : undefined;
  };
}

/** Whose limits count: of the credential where it is known, else of a certificate that an authority vouches for, else of the address. */
function callerName(call: IncomingCall): string {
  if (call.caller !== undefined) return call.caller.name;
  const [certificate] = call.certificateNames();
  return certificate === undefined ? `address ${addressOf(call.peer)}` : `certificate ${certificate}`;
}
