import { performance } from "node:perf_hooks";
import { canOpenFile, openFileLimit } from "../platform/open-files.ts";
import { everyUnreferenced } from "../platform/waiting/clock.ts";
import type { ServerLog } from "./log.ts";

// Looks whether this process can still take connections, and tells where it cannot. It opens and closes none.

/** How often it is looked whether another connection could be taken. */
const LOOK_MS = 1000;
/** How often it is told that none can. */
const TELL_MS = 60_000;

const ADVICE =
  "no file descriptor is left: the system closes every new connection to these listeners unread, and no file can be opened. " +
  "Raise the limit of open files (ulimit -n in a shell, LimitNOFILE= of a systemd unit, --ulimit nofile= of a container), " +
  "or find the client that keeps so many connections open";

/** What is looked at, and how often; by default this process, once a second. */
export interface OpenFilesProbe {
  readonly canOpen: () => Promise<boolean>;
  /** Milliseconds; never goes back. */
  readonly now: () => number;
  readonly every: (milliseconds: number, look: () => void) => () => void;
}

const THIS_PROCESS: OpenFilesProbe = { canOpen: canOpenFile, now: () => performance.now(), every: everyUnreferenced };

/**
 * Tells in the log, once a minute, that this process has no file descriptor left, and once when it has again. Nothing else would:
 * where no descriptor is left for a connection, the event loop's library takes it and closes it, and neither a listener nor its
 * caller hears why.
 *
 * @param listeners  addresses that take no connection meanwhile
 * @returns a function that ends the watch
 */
export function watchOpenFiles(
  listeners: readonly string[],
  log: Pick<ServerLog, "error" | "info">,
  { canOpen, now, every }: OpenFilesProbe = THIS_PROCESS,
): () => void {
  const limit = openFileLimit(); // read while a file can be opened
  let since: number | undefined;
  let told = Number.NEGATIVE_INFINITY;
  const look = async () => {
    const at = now();
    if (await canOpen()) {
      if (since !== undefined)
        log.info({ seconds: Math.round((at - since) / 1000) }, "there are file descriptors again");
      since = undefined;
      return;
    }
    since ??= at;
    if (at - told < TELL_MS) return;
    told = at;
    log.error({ limit, listeners }, ADVICE);
  };
  return every(LOOK_MS, () => void look());
}
