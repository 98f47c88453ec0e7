import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";

const DRAIN_MS = 1500;
/** What a busy machine may take to notice and to end a process. */
const MARGIN_MS = 2500;

let directory: string;
let server: ServerProcess;
let address: string;
let port: number;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "albert-end-"));
  const model = await writeTinyModel();
  port = await freePort();
  server = startServerProcess({
    server: { drain_timeout_ms: DRAIN_MS, public_address: `127.0.0.1:${port}` },
    models: { load: `tiny=${model}` },
    store: { directory: join(directory, "store") },
    runtime: { device: "cpu" },
  });
});
/** Waits for the end of the start-up. */
async function ready(): Promise<void> {
  address = (await server.ready).public;
}
afterEach(async () => {
  await server.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** Sends a signal. @returns exit status, and the time it took */
async function ended(signal: NodeJS.Signals): Promise<{ readonly code: unknown; readonly ms: number }> {
  const before = performance.now();
  process.kill(server.pid, signal);
  const [code] = (await server.ended) as [unknown];
  return { code, ms: performance.now() - before };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** Opens a stream of items and never does anything with it again. */
function freeze(): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${address}`);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/albert.v1.InferenceService/StreamInfer",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", reject);
    stream.once("response", () => {
      stream
        .removeListener("error", reject)
        .on("error", () => {})
        .pause();
      resolve(() => session.destroy());
    });
  });
}

it("while it starts, ends at once, though models are still on their way", async () => {
  while (!(await accepts(port))) await new Promise((resolve) => setTimeout(resolve, 5));
  const { code, ms } = await ended("SIGTERM");
  expect(code).toBe(0);
  expect(ms).toBeLessThan(DRAIN_MS + MARGIN_MS);
}, 60_000);

it("with nothing to do, ends at once and says that it was clean", async () => {
  await ready();
  const { code, ms } = await ended("SIGTERM");
  expect(code).toBe(0);
  expect(ms).toBeLessThan(DRAIN_MS + MARGIN_MS);
}, 60_000);

it("with a frozen stream and a half-open peer, ends within its time and says that it cut something", async () => {
  await ready();
  const thaw = await freeze();
  const half = connect(port, "127.0.0.1").on("error", () => {});
  half.write("PRI * HTTP/2.0\r\n");
  const { code, ms } = await ended("SIGTERM");
  expect(code).toBe(1);
  expect(ms).toBeGreaterThan(DRAIN_MS / 2);
  expect(ms).toBeLessThan(DRAIN_MS + MARGIN_MS);
  half.destroy();
  thaw();
}, 60_000);

it("ends at once at a second signal", async () => {
  await ready();
  const thaw = await freeze();
  const before = performance.now();
  process.kill(server.pid, "SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 200));
  const { code } = await ended("SIGTERM");
  expect(code).toBe(1);
  expect(performance.now() - before).toBeLessThan(DRAIN_MS);
  thaw();
}, 60_000);
