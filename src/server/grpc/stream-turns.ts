import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

// Shares the main thread between calls that begin and everything else.

/**
 * Calls that begin in one turn of the event loop. One read of a socket may bring a hundred of them; begun at once, they would
 * keep the thread for tens of milliseconds in which no batch is handed to a device and no answer leaves.
 */
const BEGUN_IN_A_TURN = 8;

type Begin = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => void;

/**
 * Puts the streams that peers open into a line, in order of arrival, of which each turn of the event loop begins a few. A stream
 * that its peer gives up while it waits is never begun. A server that keeps up has no line: its streams begin at once.
 */
export function beginInTurns(server: Http2Server): void {
  const listeners = server.listeners("stream") as Begin[];
  const line: Parameters<Begin>[] = [];
  let begun = 0;
  let planned = false;
  const begin = (opened: Parameters<Begin>) => {
    begun++;
    if (!planned) {
      planned = true;
      setImmediate(nextTurn);
    }
    for (const listener of listeners) listener.apply(server, opened);
  };
  const nextTurn = () => {
    planned = false;
    begun = 0;
    while (begun < BEGUN_IN_A_TURN) {
      const opened = line.shift();
      if (opened === undefined) return;
      if (!opened[0].destroyed && !opened[0].aborted) begin(opened);
    }
  };
  server.removeAllListeners("stream");
  server.on("stream", (...opened: Parameters<Begin>) => {
    if (begun < BEGUN_IN_A_TURN && line.length === 0) return begin(opened);
    opened[0].on("error", () => {}); // it has no other listener until it begins
    line.push(opened);
  });
}
