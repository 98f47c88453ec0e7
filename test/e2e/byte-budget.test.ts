import { once } from "node:events";
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { encoded, rawFailure } from "../support/raw-call.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const { tokenize } = InferenceService.method;

/** Small enough that one open call fills it. */
const INFLIGHT_BYTES = 60;

describe("the byte budget over gRPC", () => {
  let directory: string;
  let server: RunningServer;
  const open: (() => void)[] = [];
  beforeAll(async () => {
    directory = await writeTinyModel();
  });
  afterEach(async () => {
    for (const close of open.splice(0)) close();
    await server.close();
  });

  const run = async () => {
    const config = { server: { inflightBytes: INFLIGHT_BYTES } };
    server = await runServer({ models: [{ name: "tiny", directory }], config });
  };

  /** Opens a call whose stream can receive `window` bytes, and reads nothing. */
  const call = <M extends DescMethod>(method: M, request: MessageInitShape<M["input"]>, window: number) => {
    const session = connect(`http://${server.address}`, { settings: { initialWindowSize: window } });
    open.push(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": `/${method.parent.typeName}/${method.name}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const message = encoded(method, request);
    const frame = Buffer.concat([Buffer.alloc(5), message]);
    frame.writeUInt32BE(message.length, 1);
    stream.end(frame);
    stream.on("error", () => {});
    return { stream, session };
  };

  const another = async () =>
    (await rawFailure(server.address, tokenize, encoded(tokenize, { text: "a cat sat on the mat" })))?.reason;

  /** The status stands in the first headers of a call that fails at once, else in the last. */
  const statusOf = (stream: ClientHttp2Stream) =>
    new Promise<unknown>((resolve) => {
      const read = (headers: IncomingHttpHeaders) => {
        if (headers["grpc-status"] !== undefined) resolve(headers["grpc-status"]);
      };
      stream.on("response", read).on("trailers", read).resume();
    });

  it("holds the request of a stream of replies while the stream is open", async () => {
    await run();
    const { stream, session } = call(Health.method.watch, { service: "x".repeat(INFLIGHT_BYTES) }, 65_535);
    await once(stream, "response");
    expect(await another()).toBe("MEMORY_BUDGET");
    session.destroy();
    await vi.waitFor(async () => expect(await another()).toBeUndefined());
  });

  it("refuses such a stream when its request does not fit", async () => {
    await run();
    const { stream } = call(Health.method.watch, { service: "x".repeat(INFLIGHT_BYTES) }, 65_535);
    await once(stream, "response");
    const second = call(Health.method.watch, { service: "y".repeat(INFLIGHT_BYTES) }, 65_535);
    expect(await statusOf(second.stream)).toBe("8");
  });

  it("holds a reply that its reader does not take, and returns it once it is taken", async () => {
    await run();
    const { stream, session } = call(tokenize, { text: "a cat" }, 0);
    // The status line needs no window: the reply has been made.
    await once(stream, "response");
    await vi.waitFor(async () => expect(await another()).toBe("MEMORY_BUDGET"));
    session.settings({ initialWindowSize: 65_535 });
    expect(await statusOf(stream)).toBe("0");
    await vi.waitFor(async () => expect(await another()).toBeUndefined());
  });

  it("returns a reply that its reader never takes when the reader goes away", async () => {
    await run();
    const { stream, session } = call(tokenize, { text: "a cat" }, 0);
    await once(stream, "response");
    await vi.waitFor(async () => expect(await another()).toBe("MEMORY_BUDGET"));
    session.destroy();
    await vi.waitFor(async () => expect(await another()).toBeUndefined());
  });
});
