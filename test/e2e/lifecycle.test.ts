import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { startApp } from "../../src/app.ts";
import { CallError, connectAlbert } from "../../src/client/albert-client.ts";
import { serviceClient } from "../../src/client/service-client.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type Overrides, type RunningServer, runServer, testConfig } from "../support/running-server.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";

const classifyRequest = { text: "a cat", options: { head: "sentiment" } };

describe("a server's life", () => {
  let directory: string;
  let server: RunningServer;
  beforeAll(async () => {
    directory = await writeTinyModel();
  });
  const run = async (config: Overrides = {}) => {
    server = await runServer({ models: [{ name: "tiny", directory }], config });
    return server;
  };
  afterEach(() => server.close());

  it("answers calls in progress before it ends", async () => {
    await run();
    let arrive = () => {};
    let release = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.script.before = () => {
      arrive();
      return released;
    };
    const answer = server.client.classify(classifyRequest);
    await arrived;
    const closing = server.app.close(0);
    release();
    expect((await answer).labels).toHaveLength(2);
    expect(await closing).toBe(true);
    expect(await accepts(server.address)).toBe(false);
  });

  it("ends within its time even when a call never does", async () => {
    await run({ server: { drainTimeoutMs: 50 }, serving: { swapDrainMs: 50 } });
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    server.script.before = () => {
      arrive();
      return new Promise(() => {});
    };
    const answer = server.client.classify(classifyRequest);
    answer.catch(() => {});
    await arrived;
    expect(await server.app.close(0)).toBe(false);
    await expect(answer).rejects.toBeInstanceOf(CallError);
  });

  it("says over health that it ends, before it does", async () => {
    await run();
    const channel = new Client(server.address, credentials.createInsecure());
    const health = serviceClient(Health, channel, { deadlineMs: 5000, headers: {} });
    const seen: ServingStatus[] = [];
    let closing: Promise<boolean> | undefined;
    await expect(
      (async () => {
        for await (const { status } of health.watch({ service: "model/tiny" })) {
          seen.push(status);
          closing ??= server.app.close(0);
        }
      })(),
    ).rejects.toThrow();
    expect(seen).toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
    expect(await closing).toBe(true);
    channel.close();
  });

  it("tells the health of the server, of each service and of each model", async () => {
    await run();
    const channel = new Client(server.address, credentials.createInsecure());
    const health = serviceClient(Health, channel, { deadlineMs: 5000, headers: {} });
    for (const service of ["", "albert.v1.InferenceService", "model/tiny"]) {
      expect(await health.check({ service })).toMatchObject({ status: ServingStatus.SERVING });
    }
    const names = [
      "",
      "albert.v1.InferenceService",
      "albert.v1.SearchService",
      "inference.GRPCInferenceService",
      "model/tiny",
    ];
    expect(Object.keys((await health.list({})).statuses)).toEqual(names);
    const watched = health.watch({ service: "model/next" })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ status: ServingStatus.SERVICE_UNKNOWN });
    await server.app.serving.models.swap({ name: "next", version: "1", open: () => server.open() });
    let status: ServingStatus | undefined;
    while (status !== ServingStatus.SERVING) status = (await watched.next()).value?.status;
    await watched.return?.();
    channel.close();
  });

  it("answers machines over HTTP", async () => {
    await run();
    const base = `http://${server.app.addresses.metrics}`;
    const get = async (path: string) => {
      const response = await fetch(`${base}${path}`);
      return [response.status, await response.text()] as const;
    };
    expect(await get("/healthz")).toEqual([200, "alive\n"]);
    expect(await get("/readyz")).toEqual([200, "ready\n"]);
    expect((await get("/metrics"))[1]).toContain("albert_ready 1");
    expect((await get("/../../etc/passwd"))[0]).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(405);
  });

  it("takes no traffic before each of its models can answer", async () => {
    const [publicAddress, metricsAddress] = [await freeAddress(), await freeAddress()];
    let open = () => {};
    const opening = new Promise<void>((resolve) => {
      open = resolve;
    });
    let engines = 0;
    const starting = runServer({
      models: [
        { name: "first", directory },
        { name: "second", directory },
      ],
      config: { server: { publicAddress, metricsAddress } },
      openEngine: async (model) => {
        if (++engines === 2) await opening;
        return scriptedEngine(model, {});
      },
    });
    const channel = new Client(publicAddress, credentials.createInsecure());
    const health = serviceClient(Health, channel, { deadlineMs: 5000, headers: {} });
    const isServing = async (service: string) =>
      health.check({ service }).then(
        ({ status }) => status === ServingStatus.SERVING,
        () => undefined,
      );
    const readyz = async () => (await fetch(`http://${metricsAddress}/readyz`)).status;
    await expect.poll(() => isServing("model/first"), { timeout: 20_000 }).toBe(true);
    expect([await isServing(""), await isServing("albert.v1.InferenceService"), await readyz()]).toEqual([
      false,
      false,
      503,
    ]);
    open();
    server = await starting;
    expect([await isServing(""), await isServing("model/second"), await readyz()]).toEqual([true, true, 200]);
    channel.close();
  });

  it("after a restart over a store, tells callers of models it has not reached to come back", async () => {
    const store = { directory: mkdtempSync(join(tmpdir(), "albert-restart-")) };
    const names = ["first", "second"];
    const models = names.map((name) => ({ name, directory }));
    await (await runServer({ models, config: { store } })).close();

    const publicAddress = await freeAddress();
    let open = () => {};
    const opening = new Promise<void>((resolve) => {
      open = resolve;
    });
    const starting = runServer({
      models: [],
      config: { store, server: { publicAddress } },
      openEngine: async (model) => {
        await opening;
        return scriptedEngine(model, {});
      },
    });
    const early = connectAlbert(publicAddress, { maxAttempts: 1 });
    const ask = (model: string) => early.classify({ ...classifyRequest, options: { head: "sentiment", model } });
    const refusalOf = (model: string) =>
      ask(model).then(
        () => undefined,
        (error: CallError) => [error.status, error.reason, (error.retryAfterMs ?? 0) > 0],
      );
    await expect.poll(() => refusalOf("first"), { timeout: 20_000 }).toEqual(["UNAVAILABLE", "WARMING", true]);
    for (const model of ["second", "made up"]) {
      expect(await refusalOf(model), model).toEqual(["UNAVAILABLE", "WARMING", true]);
    }
    open();
    server = await starting;
    for (const model of names) expect((await ask(model)).meta?.model).toBe(model);
    expect(await refusalOf("made up")).toEqual(["NOT_FOUND", "MODEL_NOT_FOUND", false]);
    early.close();
    rmSync(store.directory, { recursive: true, force: true });
  }, 90_000);

  it("does not start on an address that is taken, and leaves nothing open", async () => {
    await run();
    const config = testConfig({
      server: { publicAddress: "127.0.0.1:0", metricsAddress: server.app.addresses.metrics! },
    });
    const quiet = () => {};
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    const openEngine = async (model: Parameters<typeof scriptedEngine>[0]) => scriptedEngine(model, {});
    await expect(startApp({ config, log, openEngine }, [])).rejects.toMatchObject({ reason: "ADDRESS_UNAVAILABLE" });
  });

  it("does not start beside another that works on the same jobs, but beside one to answer, or after it", async () => {
    const store = { directory: mkdtempSync(join(tmpdir(), "albert-jobs-shared-")) };
    await run({ store });
    for (const role of ["all", "training"] as const) {
      const second = runServer({ models: [], config: { store, server: { role } } });
      await expect(second).rejects.toMatchObject({ code: "precondition", reason: "JOBS_LOCKED" });
    }
    const replica = await runServer({ models: [], config: { store, server: { role: "inference" } } });
    await replica.close();
    await server.close();
    await run({ store });
    await server.close();
    expect(readdirSync(join(store.directory, "jobs.lock"))).toEqual(["000002.free"]);
    rmSync(store.directory, { recursive: true });
  });
});

function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** An address of this machine that nobody listens on. */
async function freeAddress(): Promise<string> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return `127.0.0.1:${port}`;
}
