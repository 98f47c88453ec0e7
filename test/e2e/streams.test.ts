import { once } from "node:events";
import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  InferenceService,
  type InferItemResult,
  StreamInferRequestSchema,
  StreamOrder,
} from "../../src/gen/albert/v1/inference_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type Overrides, type RunningServer, runServer } from "../support/running-server.ts";

type StreamMessage = Parameters<RunningServer["client"]["streamInfer"]>[0] extends
  | Iterable<infer M>
  | AsyncIterable<infer M>
  ? M
  : never;

function item(correlationId: string, text = "a cat"): StreamMessage {
  const request = { case: "classify" as const, value: { text, options: { head: "sentiment" } } };
  return { message: { case: "item", value: { correlationId, request } } };
}

async function collect(server: RunningServer, messages: Iterable<StreamMessage> | AsyncIterable<StreamMessage>) {
  const results: InferItemResult[] = [];
  for await (const { message } of server.client.streamInfer(messages)) {
    if (message.case === "result") results.push(message.value);
  }
  return results;
}

describe("a stream of items", () => {
  let directory: string;
  let server: RunningServer;
  beforeAll(async () => {
    directory = await writeTinyModel();
  });
  const run = async (config: Overrides = {}) => {
    server = await runServer({ models: [{ name: "tiny", directory }], config });
    return server;
  };
  afterEach(() => server.close());

  it("answers everything that was sent before the caller closed its side", async () => {
    await run();
    const results = await collect(server, [item("1"), item("2", ""), item("3")]);
    expect(results.map(({ correlationId, outcome }) => [correlationId, outcome.case]).sort()).toEqual([
      ["1", "classify"],
      ["2", "error"],
      ["3", "classify"],
    ]);
  });

  it("ends at once when nothing was sent", async () => {
    await run();
    expect(await collect(server, [])).toEqual([]);
  });

  it("gives results as they are ready, or in order when asked", async () => {
    await run({ inputs: { streamWindow: 8 } });
    const slow = "slow one";
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first: string[] = [];
    // Only the slow item is held; it is longer than the others by its tokens.
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    server.script.before = (sequences) => {
      if (!sequences.some(({ inputIds }) => inputIds.length > 5)) return undefined;
      begin();
      return released;
    };
    // The others are sent when the slow one runs, so that they cannot share its batch.
    async function* messages() {
      yield item("0", slow);
      await begun;
      yield item("1", "b");
      yield item("2", "c");
    }
    const reading = (async () => {
      for await (const { message } of server.client.streamInfer(messages())) {
        if (message.case !== "result") continue;
        first.push(message.value.correlationId);
        if (first.length === 2) release();
      }
    })();
    await reading;
    expect(first.at(-1)).toBe("0");
  });

  it("takes settings only as its first message", async () => {
    await run();
    const settings: StreamMessage = { message: { case: "settings", value: { order: StreamOrder.REQUEST } } };
    await expect(collect(server, [item("1"), settings])).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
    });
    await expect(collect(server, [{ message: { case: undefined } }])).rejects.toMatchObject({
      reason: "FIELD_INVALID",
    });
  });

  it("stops reading while the caller does not take its results", async () => {
    await run({ inputs: { streamWindow: 4 } });
    const request = { case: "encode" as const, value: { text: "a cat ".repeat(30), returnTokens: true } };
    const message = { message: { case: "item" as const, value: { correlationId: "x", request } } };
    const bytes = toBinary(StreamInferRequestSchema, create(StreamInferRequestSchema, message));
    const frame = Buffer.concat([Buffer.alloc(5), bytes]);
    frame.writeUInt32BE(bytes.length, 1);
    const sent = 200;
    // Not the gRPC client: that would take what it is not asked to read into its own memory.
    const session = connect(`http://${server.address}`);
    const stream = session.request({
      ":method": "POST",
      ":path": `/${InferenceService.typeName}/StreamInfer`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    for (let i = 0; i < sent; i++) stream.write(frame);
    stream.end();
    const finished = async () =>
      Number(/albert_goodput_requests_total\{task="encode"\} (\d+)/.exec(await server.metrics())?.[1] ?? 0);
    // Nothing may be in work any more: two looks in a row see the same count, and it is far from all.
    let last = -1;
    await vi.waitFor(
      async () => {
        const now = await finished();
        const same = now > 0 && now === last;
        last = now;
        expect(same).toBe(true);
      },
      { interval: 300, timeout: 15_000 },
    );
    expect(last).toBeLessThan(sent / 2);
    stream.resume();
    await once(stream, "end");
    expect(await finished()).toBe(sent);
    session.close();
  });

  it("gives up its items when the caller cancels in the middle", async () => {
    await run();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.script.before = () => released;
    const abort = new AbortController();
    const messages = async function* () {
      for (let i = 0; i < 20; i++) yield item(`${i}`, `text ${i}`);
      await new Promise(() => {});
    };
    const reading = (async () => {
      for await (const _ of server.client.streamInfer(messages(), { signal: abort.signal })) {
        // results are not expected
      }
    })();
    reading.catch(() => {});
    const inflight = async () => /albert_inflight_requests\{task="classify"\} (\d+)/.exec(await server.metrics())?.[1];
    await vi.waitFor(async () => expect(await inflight()).toBe("20"));
    abort.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await vi.waitFor(async () => expect(await inflight()).toBe("0"));
    expect(await server.metrics()).toContain('albert_streams_open{listener="public"} 0');
    release();
    server.script.before = undefined;
    expect(await collect(server, [item("after")])).toHaveLength(1);
  });
});
