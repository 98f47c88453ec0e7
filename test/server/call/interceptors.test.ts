import { performance } from "node:perf_hooks";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { IncomingCall } from "../../../src/server/call/call.ts";
import { type Authorizer, type Interceptor, listenerInterceptors } from "../../../src/server/call/interceptors.ts";
import { runCall } from "../../../src/server/call/run-call.ts";
import type { ServerLog } from "../../../src/server/log.ts";

/** Runs one call with this authorizer. @returns the lines that were logged, and whether the handler ran */
async function called(authorizer: Authorizer | undefined, service = "albert.v1.InferenceService") {
  const logged: object[] = [];
  const log = { debug: (line: object) => logged.push(line) } as unknown as ServerLog;
  const interceptors = listenerInterceptors({
    log,
    logAll: true,
    slowMs: 0,
    streamsOpen: () => {},
    ...(authorizer === undefined ? {} : { authorizer }),
  });
  let ran = false;
  const now = performance.now();
  const call: IncomingCall = {
    service,
    method: `${service}/Some`,
    requestId: "r",
    streaming: false,
    receivedAt: now,
    deadlineAt: now + 10_000,
    signal: new AbortController().signal,
    draining: new AbortController().signal,
    peer: "127.0.0.1:1",
    facts: {},
    header: (name) => (name === "authorization" ? "Bearer known" : undefined),
    certificateNames: () => [],
    sessionId: undefined,
    admit: () => {},
    allot: () => {},
    annotate: () => {},
    traced: () => {},
    abort: () => {},
  };
  const work = async () => {
    ran = true;
  };
  const error = await runCall(call, { interceptors, logIncident: () => "id" }, work).catch((thrown: unknown) => thrown);
  return { error, logged, ran };
}

describe("a listener's authorizer", () => {
  it("is asked before the handler, with method, headers and peer", async () => {
    const asked: unknown[] = [];
    const { ran, error } = await called((call) => {
      asked.push([call.method, call.header("authorization"), call.peer]);
    });
    expect(asked).toEqual([["albert.v1.InferenceService/Some", "Bearer known", "127.0.0.1:1"]]);
    expect([ran, error]).toEqual([true, undefined]);
  });

  it.each(["albert.v1.InferenceService", "grpc.health.v1.Health"])("keeps %s from whom it refuses", async (service) => {
    const { ran, error, logged } = await called(async () => {
      throw new AlbertError("forbidden", "this token may not do that", { reason: "SCOPE_MISSING" });
    }, service);
    expect(ran).toBe(false);
    expect(error).toMatchObject({ code: "forbidden", reason: "SCOPE_MISSING" });
    expect(logged).toMatchObject([{ method: `${service}/Some`, outcome: "SCOPE_MISSING" }]);
  });

  it("is not needed: without one every caller is let in", async () => {
    expect(await called(undefined)).toMatchObject({ ran: true, error: undefined });
  });
});

describe("the interceptors of a call", () => {
  const call = { deadlineAt: Number.POSITIVE_INFINITY, signal: new AbortController().signal } as IncomingCall;
  const noted = (seen: string[], name: string): Interceptor => {
    return () => {
      seen.push(name);
      return (_, error) => seen.push(`${name} ends: ${error instanceof Error ? error.message : "well"}`);
    };
  };

  it("begin in order and end in reverse, with what the call failed of", async () => {
    for (const message of ["well", "broken"]) {
      const seen: string[] = [];
      const later: Interceptor = async (one) => noted(seen, "later")(one);
      const interceptors = [noted(seen, "outer"), () => undefined, later];
      const work = async () => {
        seen.push("work");
        if (message !== "well") throw new AlbertError("backend", message, { reason: "BACKEND_FAILED" });
      };
      await runCall(call, { interceptors, logIncident: () => "id" }, work).catch(() => {});
      expect(seen).toEqual(["outer", "later", "work", `later ends: ${message}`, `outer ends: ${message}`]);
    }
  });

  it("end where one of them refuses the call, but for those behind it", async () => {
    const seen: string[] = [];
    const refuse = () => {
      throw new AlbertError("forbidden", "refused", { reason: "SCOPE_MISSING" });
    };
    const interceptors = [noted(seen, "outer"), refuse, noted(seen, "inner")];
    const work = async () => {
      seen.push("work");
    };
    const failure = runCall(call, { interceptors, logIncident: () => "id" }, work);
    await expect(failure).rejects.toMatchObject({ reason: "SCOPE_MISSING" });
    expect(seen).toEqual(["outer", "outer ends: refused"]);
  });
});
