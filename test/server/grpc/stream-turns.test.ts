import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { beginInTurns } from "../../../src/server/grpc/stream-turns.ts";

const STREAMS = 50;

let server: Http2Server;
let session: ClientHttp2Session;
/** Paths of the streams that began, and the turn of the event loop in which each did. */
let began: { readonly path: string; readonly turn: number }[];
let turn: number;
let counting: NodeJS.Immediate;

beforeEach(async () => {
  began = [];
  turn = 0;
  const count = () => {
    turn++;
    counting = setImmediate(count);
  };
  count();
  server = createServer();
  server.on("stream", (stream, headers) => {
    began.push({ path: String(headers[":path"]), turn });
    stream.on("error", () => {});
    stream.respond({ ":status": 200 }, { endStream: true });
  });
  beginInTurns(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => {});
  await once(session, "remoteSettings");
});
afterEach(() => {
  clearImmediate(counting);
  session.destroy();
  server.close();
});

/** Opens streams in one write. */
function open(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const stream = session.request({ ":path": `/${i}` });
    stream.on("error", () => {}).resume();
    return { stream, closed: once(stream, "close") };
  });
}

it("begins streams in order, a few in each turn of the event loop, and answers all", async () => {
  await Promise.all(open(STREAMS).map(({ closed }) => closed));
  expect(began.map(({ path }) => path)).toEqual(Array.from({ length: STREAMS }, (_, i) => `/${i}`));
  const inTurns = new Map<number, number>();
  for (const { turn: at } of began) inTurns.set(at, (inTurns.get(at) ?? 0) + 1);
  // A turn of the line and of this count are not the same, so that two of one may meet in one of the other.
  expect(Math.max(...inTurns.values())).toBeLessThanOrEqual(16);
  expect(inTurns.size).toBeGreaterThanOrEqual(Math.ceil(STREAMS / 16));
});

it("never begins a stream that its peer gave up while it waited", async () => {
  const streams = open(STREAMS);
  for (const { stream } of streams.slice(20)) stream.close(8); // CANCEL
  await Promise.all(streams.map(({ closed }) => closed));
  await Promise.all(open(1).map(({ closed }) => closed));
  expect(began.length).toBeLessThan(STREAMS + 1);
  expect(began.filter(({ path }) => Number(path.slice(1)) < 20).length).toBe(21);
});
