import { lstat, open, rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";
import { bootId } from "../../platform/process-identity.ts";

// Tells whether the process that holds a lock is alive, by a Unix socket that closes when the process ends.

/** Which socket of which kernel: a process that finds the same one has the same kernel, which knows whether a process listens. */
export interface SocketIdentity {
  /** One boot of one kernel. */
  readonly boot: string;
  readonly device: string;
  readonly inode: string;
}

/**
 * A Unix socket in a directory, on which a process listens as long as it lives. Whatever kills the process closes the socket at
 * once, and every process of the same machine can see that, also from another container that shares the directory.
 */
export class LivenessSocket {
  readonly place: SocketIdentity;
  readonly #path: string;
  readonly #server: Server;

  private constructor(place: SocketIdentity, path: string, server: Server) {
    this.place = place;
    this.#path = path;
    this.#server = server;
  }

  /** Listens under a name; undefined where the system or the file system has no such thing. */
  static async open(directory: string, name: string): Promise<LivenessSocket | undefined> {
    const boot = bootId();
    if (boot === undefined) return undefined;
    const path = join(directory, name);
    const server = createServer((connection) => connection.destroy()).unref();
    try {
      await throughDirectory(directory, name, (address) => settled(server, "listening", () => server.listen(address)));
      return new LivenessSocket({ boot, ...(await identityOf(path)) }, path, server);
    } catch {
      server.close();
      await rm(path, { force: true });
      return undefined; // others look for signs of life then
    }
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }
}

/** Whether a process listens at a place; undefined where this machine cannot know. */
export async function isListening(
  directory: string,
  name: string,
  place: SocketIdentity,
): Promise<boolean | undefined> {
  if (place.boot !== bootId()) return undefined;
  const found = await identityOf(join(directory, name)).catch(() => undefined);
  // Another file of that name, as one sees it through another mount of a network: no process listens there, and that says nothing about the holder.
  if (found === undefined || found.device !== place.device || found.inode !== place.inode) return undefined;
  const failure = await throughDirectory(directory, name, async (address) => {
    const connection = createConnection(address);
    try {
      await settled(connection, "connect");
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      connection.destroy();
    }
  });
  if (failure === undefined || failure === "EAGAIN") return true; // busy, so alive
  return failure === "ECONNREFUSED" ? false : undefined;
}

/** Gives a socket an address that is short however long the directory's path is: sockets allow about a hundred bytes. */
async function throughDirectory<T>(directory: string, name: string, use: (address: string) => Promise<T>): Promise<T> {
  const handle = await open(directory, "r");
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}

async function identityOf(path: string): Promise<Pick<SocketIdentity, "device" | "inode">> {
  const { dev, ino } = await lstat(path, { bigint: true });
  return { device: String(dev), inode: String(ino) };
}

/** Resolves with an event, or rejects with the error that comes in its place. */
function settled(
  emitter: NodeJS.EventEmitter,
  event: "listening" | "connect",
  begin: () => void = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    emitter.once(event, () => resolve());
    emitter.once("error", reject);
    begin();
  });
}
