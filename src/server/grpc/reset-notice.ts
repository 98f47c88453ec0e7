import { constants, type Http2Server, type Http2Session, type ServerHttp2Stream } from "node:http2";

// Spares honest clients the runtime's guard against floods of resets. A client whose calls pass their deadline resets a
// stream for each; beyond a burst the guard ends the connection under all of its other calls too. Before it comes to that,
// the client is asked to take a new connection: it sends new calls there, and what is under way here is answered.

/** What a connection's peer may reset before the guard ends it: so many at once, and so many a second for ever. */
export interface ResetBudget {
  readonly burst: number;
  readonly perSecond: number;
}

/** Share of the burst that is left for calls under way when the client is asked to go. */
const RESERVE = 0.4;

/** How long a connection takes no notice of a client that does not go. */
const PATIENCE_MS = 10_000;

/** The highest stream: nothing that is on its way already is refused. */
const LAST_STREAM = 2 ** 31 - 1;

/** Statuses of calls whose client gives up at about the same time: its reset may still be on its way when the stream is closed here. */
const GIVEN_UP: ReadonlySet<unknown> = new Set([1, 4, "1", "4"]);

function statusOf({ sentTrailers, sentHeaders }: ServerHttp2Stream): unknown {
  return (sentTrailers ?? sentHeaders)?.["grpc-status"];
}

interface Spent {
  resets: number;
  at: number;
  asked: boolean;
}

/** Watches the connections of a server. */
export function noticeResets(http2Server: Http2Server, { burst, perSecond }: ResetBudget): void {
  const spent = new WeakMap<Http2Session, Spent>();
  const onReset = (session: Http2Session) => {
    const now = performance.now();
    const before = spent.get(session) ?? { resets: 0, at: now, asked: false };
    before.resets = Math.max(0, before.resets - ((now - before.at) / 1000) * perSecond) + 1;
    before.at = now;
    spent.set(session, before);
    if (before.asked || before.resets < burst * (1 - RESERVE) || session.destroyed) return;
    before.asked = true;
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM);
    setTimeout(() => session.destroyed || session.close(), PATIENCE_MS).unref();
  };
  const onStream = (stream: ServerHttp2Stream) => {
    const { session } = stream;
    if (session === undefined) return;
    stream.once("close", () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || GIVEN_UP.has(statusOf(stream))) onReset(session);
    });
  };
  http2Server.on("stream", onStream);
}
