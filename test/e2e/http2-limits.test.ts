import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAlbert } from "../../src/client/albert-client.ts";
import type { CallError } from "../../src/client/call-error.ts";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { resetBudget } from "../../src/server/grpc/http2-limits.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { encoded, rawFailure } from "../support/raw-call.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const { classify } = InferenceService.method;
const REQUEST = { text: "a cat", options: { head: "sentiment" } };

/** Older versions of Node have a fixed guard: a thousand resets at once, 33 a second. */
const RESETS_CAN_BE_SET = resetBudget().burst > 1000;

describe("one HTTP/2 connection", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  });
  afterAll(() => server.close());

  const open = async () => {
    const session = connect(`http://${server.address}`);
    session.on("error", () => {});
    await once(session, "connect");
    return session;
  };

  const begin = (session: ClientHttp2Session) =>
    session
      .request({
        ":method": "POST",
        ":path": `/${InferenceService.typeName}/Classify`,
        "content-type": "application/grpc",
        te: "trailers",
      })
      .on("error", () => {});

  it("is told how much metadata a call may have, and a call with more is refused, not left hanging", async () => {
    const session = await open();
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    expect(session.remoteSettings.maxHeaderListSize).toBe(8192);
    session.destroy();
    const bytes = encoded(classify, REQUEST);
    const ask = (length: number) =>
      rawFailure(server.address, classify, bytes, { headers: { "x-much": "m".repeat(length) } });
    expect(await ask(6000)).toBeUndefined();
    expect((await ask(14_000))?.status).toBe("RESOURCE_EXHAUSTED");
  });

  it("carries a bounded number of metadata entries", async () => {
    const headers = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, "1"]));
    const bytes = encoded(classify, REQUEST);
    expect(await rawFailure(server.address, classify, bytes, { headers: headers(40) })).toBeUndefined();
    const refused = await rawFailure(server.address, classify, bytes, { headers: headers(100) });
    expect(refused?.status).toBe("RESOURCE_EXHAUSTED");
  });

  it("lives on after a call with too much metadata", async () => {
    const session = await open();
    const refused = session.request({ ":method": "POST", ":path": "/x", "x-much": "m".repeat(14_000) });
    refused.on("error", () => {});
    await once(refused, "close");
    const stream = begin(session);
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 0])]));
    const [headers] = await once(stream, "response");
    expect(headers).toHaveProperty(":status", 200);
    session.destroy();
  });

  it.runIf(RESETS_CAN_BE_SET)(
    "survives 3,000 calls that their caller gives up after 25 ms, a hundred at once",
    async () => {
      const session = await open();
      for (let round = 0; round < 30; round++) {
        const streams = Array.from({ length: 100 }, () => begin(session));
        await new Promise((resolve) => setTimeout(resolve, 25));
        for (const stream of streams) stream.close(8);
        expect([round, session.destroyed]).toEqual([round, false]);
      }
      const stream = begin(session);
      stream.end(Buffer.alloc(5));
      const [headers] = await once(stream, "response");
      expect(headers).toHaveProperty(":status", 200);
      session.destroy();
    },
  );

  it("costs a client none of its other calls when thousands of its calls pass their deadline", async () => {
    const client = connectAlbert(server.address, { maxAttempts: 1 });
    server.script.before = () => new Promise((resolve) => setTimeout(resolve, 40));
    const late: Promise<unknown>[] = [];
    const good: Promise<unknown>[] = [];
    // Calls that are held until after their deadline, and between them calls that have time.
    for (let round = 0; round < 24; round++) {
      for (let call = 0; call < 100; call++) {
        late.push(client.classify(REQUEST, { deadlineMs: 25 }).catch((error: CallError) => error.status));
      }
      good.push(client.classify(REQUEST, { deadlineMs: 30_000 }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    server.script.before = undefined;
    const statuses = new Set(await Promise.all(late));
    await Promise.all(good);
    expect([...statuses]).toEqual(["DEADLINE_EXCEEDED"]);
    client.close();
  });

  it("is cut when its peer opens streams only to reset them, and others are served meanwhile", async () => {
    const session = await open();
    let cut = false;
    session.on("goaway", () => {
      cut = true;
    });
    session.on("close", () => {
      cut = true;
    });
    const until = performance.now() + 25_000;
    while (!cut && performance.now() < until) {
      for (let i = 0; i < 200 && !cut && !session.destroyed; i++) {
        const stream = begin(session);
        stream.close(8);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(cut).toBe(true);
    session.destroy();
    expect((await server.client.classify(REQUEST)).labels).toHaveLength(2);
  });
});
