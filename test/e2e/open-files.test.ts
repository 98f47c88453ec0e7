import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterAll, describe, expect, it, vi } from "vitest";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { missing } from "../support/fixtures.ts";
import { freePort } from "../support/free-port.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";

// A server process that may open few files, and callers that take all of them.

/** Above what a start takes, which opens many modules at once; below what callers take then. */
const LIMIT = 256;
const TOLD = /no file descriptor is left/g;

function canBeLimited(): boolean {
  try {
    execFileSync("sh", ["-c", `ulimit -n ${LIMIT} && test -r /proc/self/limits`]);
    return true;
  } catch {
    return false;
  }
}

const directory = mkdtempSync(join(tmpdir(), "albert-open-files-"));
let server: ServerProcess | undefined;
afterAll(async () => {
  await server?.kill();
  rmSync(directory, { recursive: true });
});

/** Opens connections that say nothing until the server closes new ones at once, and more as long as they are held: files that the server needed for a moment become free. */
async function takeAll(address: string): Promise<() => void> {
  const [host, port] = address.split(":");
  const sockets: Socket[] = [];
  let closed = 0;
  const take = (count: number) => {
    for (let i = 0; i < count; i++) {
      const socket = connect({ host: host!, port: Number(port) }).on("error", () => {});
      socket.on("close", () => closed++).resume();
      sockets.push(socket);
    }
  };
  take(2 * LIMIT);
  const again = setInterval(() => take(16), 100);
  await vi.waitFor(() => expect(closed).toBeGreaterThan(LIMIT), 20_000);
  return () => {
    clearInterval(again);
    for (const socket of sockets) socket.destroy();
  };
}

/** Opens connections until the server's system closes one unread: for some a file may just have become free. */
async function closedAtOnce(address: string): Promise<void> {
  const [host, port] = address.split(":");
  const closesSoon = async () => {
    const socket = connect({ host: host!, port: Number(port) }).on("error", () => {});
    await once(socket.resume(), "close", { signal: AbortSignal.timeout(500) });
  };
  await vi.waitFor(closesSoon, { timeout: 20_000, interval: 20 });
}

/** Opens a connection of HTTP/2, on which the server speaks first. */
async function connects(address: string): Promise<void> {
  const session = connectHttp2(`http://${address}`);
  try {
    await once(session, "remoteSettings");
  } finally {
    session.destroy();
  }
}

describe.skipIf(missing("a limit of open files (ulimit -n, /proc)", canBeLimited()))(
  "a server without a file to spare",
  () => {
    it("says so in its log, answers on the connections that it has, and takes new ones as soon as it can", async () => {
      let said = "";
      const [metrics, page] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
      server = startServerProcess(
        {
          server: { metrics_address: metrics, console_address: page },
          models: { load: `tiny=${await writeTinyModel()}` },
          store: { directory },
          runtime: { device: "cpu", intra_threads: 1 },
        },
        {
          openFiles: LIMIT,
          onLog: (text) => {
            said += text;
          },
        },
      );
      const { public: publicAddress, admin: adminAddress } = await server.ready;
      const began = performance.now();
      const client = connectAlbert(publicAddress, { maxAttempts: 1 });
      const classify = () => client.classify({ text: "a cat", options: { model: "tiny", head: "sentiment" } });
      await classify();
      const asks: Readonly<Record<string, () => Promise<unknown>>> = {
        [publicAddress]: () => connects(publicAddress),
        [adminAddress]: () => connects(adminAddress),
        [metrics]: async () => expect((await fetch(`http://${metrics}/readyz`)).status).toBe(200),
        [page]: () => fetch(`http://${page}/`),
      };
      for (const [address, ask] of Object.entries(asks)) {
        const giveBack = await takeAll(address);
        await vi.waitFor(() => expect(said).toMatch(TOLD), 20_000);
        expect((await classify()).labels).toHaveLength(2);
        await closedAtOnce(address);
        giveBack();
        await vi.waitFor(ask, { timeout: 20_000, interval: 200 });
      }
      const [line] = said.split("\n").filter((text) => text.match(TOLD));
      expect(JSON.parse(line!)).toMatchObject({
        limit: LIMIT,
        listeners: expect.arrayContaining(Object.keys(asks)),
        msg: expect.stringMatching(/ulimit -n.*LimitNOFILE/),
      });
      const minutes = Math.floor((performance.now() - began) / 60_000);
      expect(said.match(TOLD)!.length).toBeLessThanOrEqual(1 + minutes);
      client.close();
      expect(await server.stop()).toBe(0);
    }, 120_000);
  },
);
