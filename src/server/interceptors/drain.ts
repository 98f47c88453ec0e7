import { draining } from "../../serving/errors.ts";
import type { Interceptor } from "../call.ts";

/** Services that must still answer while the server drains, so that others can see that it does. */
const ANSWERS_TO_THE_END = new Set(["grpc.health.v1.Health"]);

/** Refuses new calls once the server drains; those in progress go on. */
export const drain: Interceptor = (call, proceed) => {
  if (call.draining.aborted && !ANSWERS_TO_THE_END.has(call.service)) throw draining();
  return proceed();
};
