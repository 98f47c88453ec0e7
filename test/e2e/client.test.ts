import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { type AlbertClientOptions, connectAlbert } from "../../src/client/albert-client.ts";
import { AlbertError, type ErrorCode } from "../../src/errors.ts";
import { ClassifyRequestSchema, ClassifyResponseSchema } from "../../src/gen/albert/v1/inference_pb.js";
import { grpcStatus } from "../../src/server/grpc/grpc-status.ts";

/** A server that fails each call as the script says, then answers. */
async function failingServer(failures: (AlbertError | "hang")[]) {
  const server = new Server();
  const attempts: number[] = [];
  server.register<Buffer, Buffer>(
    "/albert.v1.InferenceService/Classify",
    (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      attempts.push(performance.now());
      fromBinary(ClassifyRequestSchema, call.request);
      const failure = failures.shift();
      if (failure === "hang") return;
      if (failure !== undefined) callback(grpcStatus(failure));
      else callback(null, Buffer.from(toBinary(ClassifyResponseSchema, create(ClassifyResponseSchema, {}))));
    },
    (bytes) => bytes,
    (bytes) => bytes,
    "unary",
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, attempts, address: `127.0.0.1:${port}` };
}

const failure = (code: ErrorCode, retryAfterMs?: number) =>
  new AlbertError(code, "scripted", { reason: "QUEUE_FULL", ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

describe("the client", () => {
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const close of open.splice(0)) close();
  });
  const setUp = async (failures: (AlbertError | "hang")[], options: AlbertClientOptions = {}) => {
    const { server, attempts, address } = await failingServer(failures);
    const client = connectAlbert(address, options);
    open.push(() => {
      client.close();
      server.forceShutdown();
    });
    return { client, attempts };
  };

  it("tries again after the delay that the server asks for", async () => {
    const { client, attempts } = await setUp([failure("overloaded", 300)]);
    await client.classify({ text: "x" });
    expect(attempts).toHaveLength(2);
    expect(attempts[1]! - attempts[0]!).toBeGreaterThan(230);
  });

  it("does not try again what the server calls pointless", async () => {
    const { client, attempts } = await setUp([new AlbertError("too-large", "no", { reason: "MESSAGE_TOO_LARGE" })]);
    await expect(client.classify({ text: "x" })).rejects.toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    expect(attempts).toHaveLength(1);
  });

  it("does not try again what may have been begun", async () => {
    const { client, attempts } = await setUp([new AlbertError("backend", "no", { reason: "POISON" })]);
    await expect(client.classify({ text: "x" })).rejects.toMatchObject({ status: "INTERNAL", reason: "POISON" });
    expect(attempts).toHaveLength(1);
  });

  it("gives up after its number of attempts", async () => {
    const { client, attempts } = await setUp(
      Array.from({ length: 9 }, () => failure("overloaded", 1)),
      { maxAttempts: 3 },
    );
    await expect(client.classify({ text: "x" })).rejects.toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 1 });
    expect(attempts).toHaveLength(3);
  });

  it("stops trying again when too many calls fail", async () => {
    const { client, attempts } = await setUp(Array.from({ length: 500 }, () => failure("overloaded", 1)));
    for (let i = 0; i < 60; i++) await client.classify({ text: "x" }).catch(() => {});
    const before = attempts.length;
    await client.classify({ text: "x" }).catch(() => {});
    expect(attempts.length - before).toBe(1);
  });

  it("has a deadline even if the caller sets none", async () => {
    const { client } = await setUp(["hang"], { deadlineMs: 100 });
    await expect(client.classify({ text: "x" })).rejects.toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });

  it("throws what the caller aborted with", async () => {
    const { client } = await setUp(["hang"]);
    const reason = new Error("changed my mind");
    await expect(client.classify({ text: "x" }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abort = new AbortController();
    const call = client.classify({ text: "x" }, { signal: abort.signal });
    abort.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  it("does not send a token over a network in plain text", () => {
    expect(() => connectAlbert("albert.example:50051", { token: "secret" })).toThrow(TypeError);
    connectAlbert("127.0.0.1:50051", { token: "secret" }).close();
  });
});
