import type { Http2Server, ServerOptions } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { invariant } from "../../errors.ts";
import { noticeResets, type ResetBudget } from "./reset-notice.ts";
import { noticeSettings } from "./settings-notice.ts";
import { beginInTurns } from "./stream-turns.ts";

// Bounds on what one HTTP/2 connection may do, below the level of calls. grpc-js passes two of Node's options on and
// has no way to give others, so this file, and it alone, reaches into the options that the library will create its
// HTTP/2 servers with; `test/e2e/http2-limits.test.ts` fails if a version of the library keeps them elsewhere.

/** Name and value pairs of one header block. An honest call has about ten besides its caller's own. */
const MAX_HEADER_PAIRS = 64;

/**
 * Streams that a connection's peer may reset: so many at once, and so many a second forever. Callers whose deadline passes
 * reset theirs: a thousand at once must not cost the connection, as they do with the defaults (1,000 and 33). An attacker who
 * opens streams only to reset them is cut within seconds. Node knows these options since 22.10;
 * an older one keeps the defaults. On either, honest clients are asked to take a new connection before that (`noticeResets`).
 */
const STREAM_RESET_BURST = 10_000;
const STREAM_RESETS_PER_SECOND = 2_000;

/** What Node before 22.10 gives a connection's peer, whatever it is told. */
const FIXED_RESETS: ResetBudget = { burst: 1000, perSecond: 33 };

/** What a connection's peer may reset on this version of Node. */
export function resetBudget(version: string = process.versions.node): ResetBudget {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const settable = major > 22 || (major === 22 && minor >= 10);
  return settable ? { burst: STREAM_RESET_BURST, perSecond: STREAM_RESETS_PER_SECOND } : FIXED_RESETS;
}

/** Options that the types of the oldest Node supported do not have. */
type Http2Options = ServerOptions & { streamResetBurst?: number; streamResetRate?: number };

/** Must be called once the server listens: watches the connections of its HTTP/2 servers. */
export function watchHttp2(server: Server, { maxMetadataBytes }: { readonly maxMetadataBytes: number }): void {
  // A private field: see the head of this file.
  const { http2Servers } = server as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> };
  invariant(http2Servers !== undefined && http2Servers.size > 0, "grpc-js no longer keeps its HTTP/2 servers there");
  for (const http2Server of http2Servers.keys()) {
    beginInTurns(http2Server);
    noticeResets(http2Server, resetBudget());
    noticeSettings(http2Server, maxMetadataBytes);
  }
}

/** Must be called before the server listens. */
export function limitHttp2(server: Server, { maxMetadataBytes }: { readonly maxMetadataBytes: number }): void {
  // A private field: see the head of this file.
  const { commonServerOptions } = server as unknown as { commonServerOptions?: Http2Options };
  invariant(commonServerOptions !== undefined, "grpc-js no longer keeps the options of its HTTP/2 servers there");
  commonServerOptions.settings = { ...commonServerOptions.settings, maxHeaderListSize: maxMetadataBytes };
  commonServerOptions.maxHeaderListPairs = MAX_HEADER_PAIRS;
  commonServerOptions.streamResetBurst = STREAM_RESET_BURST;
  commonServerOptions.streamResetRate = STREAM_RESETS_PER_SECOND;
}
