import type { Interceptor } from "../call.ts";

/** Counts streaming calls while they are open. */
export function openStreams(count: (change: 1 | -1) => void): Interceptor {
  return async (call, proceed) => {
    if (!call.streaming) return proceed();
    count(1);
    try {
      await proceed();
    } finally {
      count(-1);
    }
  };
}
