import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type AlbertClient, type AlbertClientOptions, connectAlbert } from "../src/client/albert-client.ts";
import type { ServerUsage } from "./report-usage.ts";

// Servers that benches measure, each in a process of its own, so that what its client does counts for nothing.

/** A server to measure, and a client of it. */
export interface MeasuredServer {
  readonly client: AlbertClient;
  /** What the server used since it was last asked. */
  usage(): Promise<ServerUsage>;
  stop(): void;
}

const BUILT_PROGRAM = new URL("built-program.mjs", import.meta.url).href;

/** How a server is started. */
export interface Start {
  readonly environment?: Readonly<Record<string, string>>;
  /** Root of the checkout that it runs from; this one when left out. */
  readonly checkout?: string;
  readonly client?: AlbertClientOptions;
}

/** Starts `bench/<file>`, which calls `reportUsage`, from the built program, where there is one, and waits until it listens. */
export async function startServer(file: string, args: readonly string[], start: Start = {}): Promise<MeasuredServer> {
  const { environment = {}, checkout = join(import.meta.dirname, ".."), client: options = {} } = start;
  const server: ChildProcess = fork(join(checkout, "bench", file), args, {
    cwd: checkout,
    execArgv: [...process.execArgv, "--import", BUILT_PROGRAM],
    env: { ...process.env, ...environment },
  });
  const [address] = await once(server, "message");
  const client = connectAlbert(address as string, { deadlineMs: 60_000, ...options });
  return {
    client,
    usage: async () => {
      server.send("usage");
      const [usage] = await once(server, "message");
      return usage as ServerUsage;
    },
    stop: () => {
      client.close();
      server.kill();
    },
  };
}

/** Keeps `callers` calls in flight until `calls` are answered. @param call  makes one */
export async function keepCalling(callers: number, calls: number, call: () => Promise<unknown>): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
