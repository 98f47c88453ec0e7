import { constants, type Http2Server, type Http2Session, type ServerHttp2Stream } from "node:http2";

// Holds peers to the bounds that they were told. HTTP/2's settings bind a peer once it has acknowledged them: one that never
// does is bound by none, and may send header lists of any size. Both ends here.

/** Time to acknowledge what the server sent at the start. */
const ACKNOWLEDGE_MS = 5000;

/** Header lists beyond the bound that a peer may have sent before it knew better. */
const MOST_TOO_LARGE = 4;

/** RFC 9113, 6.5.2: what each name and value count besides their own bytes. */
const OVERHEAD_BYTES = 32;

/** Ends connections whose peer does not acknowledge the settings in time, or ignores them until then. */
export function noticeSettings(
  http2Server: Http2Server,
  maxHeaderListBytes: number,
  acknowledgeMs: number = ACKNOWLEDGE_MS,
): void {
  const tooLarge = new WeakMap<Http2Session, number>();
  const onSession = (session: Http2Session) => {
    const timer = setTimeout(() => {
      if (session.pendingSettingsAck) session.destroy(undefined, constants.NGHTTP2_SETTINGS_TIMEOUT);
    }, acknowledgeMs).unref();
    session.once("close", () => clearTimeout(timer));
  };
  const onStream = (stream: ServerHttp2Stream, _headers: object, _flags: number, rawHeaders: readonly string[]) => {
    const { session } = stream;
    if (!session?.pendingSettingsAck || sizeOf(rawHeaders) <= maxHeaderListBytes) return;
    const count = (tooLarge.get(session) ?? 0) + 1;
    tooLarge.set(session, count);
    if (count > MOST_TOO_LARGE) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
  http2Server.on("session", onSession);
  http2Server.prependListener("stream", onStream);
}

/** Names and values in turn. */
function sizeOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((sum, text) => sum + text.length + OVERHEAD_BYTES / 2, 0);
}
