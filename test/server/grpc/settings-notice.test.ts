import { once } from "node:events";
import { connect as connectHttp2, createServer, type Http2Server } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { afterEach, expect, it } from "vitest";
import { acknowledge, callHeaders, FLAG, FRAME, frame, PREFACE, settings } from "../../../scripts/attacks/frames.ts";
import { noticeSettings } from "../../../src/server/grpc/settings-notice.ts";

let server: Http2Server;
let answered: number;
afterEach(() => server.close());

async function listen(acknowledgeMs: number): Promise<number> {
  answered = 0;
  server = createServer({ settings: { maxHeaderListSize: 8192 } });
  server.on("sessionError", () => {});
  noticeSettings(server, 8192, acknowledgeMs);
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    if (stream.destroyed) return;
    answered += 1;
    stream.respond({ ":status": 200 }, { endStream: true });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A peer that speaks by hand. */
function peer(port: number, ...frames: readonly Buffer[]) {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  socket.on("data", () => {});
  socket.write(Buffer.concat([PREFACE, settings(), ...frames]));
  return socket;
}
const call = (stream: number, bytes: number) =>
  frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, stream, callHeaders("/x", { "x-much": "m".repeat(bytes) }));

it("a peer that never acknowledges the settings is cut, one that does is not", async () => {
  const port = await listen(200);
  const honest = connectHttp2(`http://127.0.0.1:${port}`);
  const silent = peer(port);
  await once(silent, "close");
  expect(honest.destroyed).toBe(false);
  const stream = honest.request({ ":path": "/" });
  expect((await once(stream, "response"))[0]).toHaveProperty(":status", 200);
  honest.destroy();
});

it("a peer that has not acknowledged them may send few header lists that are too large", async () => {
  const port = await listen(60_000);
  const socket = peer(port, ...Array.from({ length: 50 }, (_, index) => call(1 + 2 * index, 14_000)));
  await once(socket, "close");
  expect(answered).toBeLessThan(10);
});

it("small ones are answered before the settings are acknowledged, as clients send them", async () => {
  const port = await listen(60_000);
  const socket = peer(port, ...Array.from({ length: 50 }, (_, index) => call(1 + 2 * index, 100)), acknowledge());
  await expect.poll(() => answered).toBe(50);
  socket.destroy();
});
