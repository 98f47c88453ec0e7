import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connectAdmin } from "../../src/client/admin-client.ts";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { serviceClient } from "../../src/client/service-client.ts";
import { ModelStateSchema } from "../../src/gen/albert/v1/inference_pb.js";
import { VersionStateSchema } from "../../src/gen/albert/v1/models_pb.js";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.js";
import { AlbertProcess } from "../support/albert-process.ts";
import { runAlbert } from "../support/command-line.ts";
import { freePort } from "../support/free-port.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";

// Servers whose models are not all as they should be.

const PATIENCE_MS = 60_000;

let directory: string;
let address: string;
let metrics: string;
let admin: string;
let server: AlbertProcess | undefined;
const undo: (() => void)[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "albert-broken-"));
  for (const name of ["good", "bad"]) cpSync(await writeTinyModel(), join(directory, name), { recursive: true });
  address = `127.0.0.1:${await freePort()}`;
  metrics = `127.0.0.1:${await freePort()}`;
  admin = `127.0.0.1:${await freePort()}`;
});
afterEach(async () => {
  for (const again of undo.splice(0)) again();
  server?.kill("SIGKILL");
  await server?.ended();
  server = undefined;
  rmSync(directory, { recursive: true });
});

/** Changes a byte of a model's weights, or changes it back. */
function flipByte(model: string): void {
  const weights = readdirSync(join(directory, model)).find((name) => /\.(safetensors|data-.*)$/.test(name))!;
  const bytes = readFileSync(join(directory, model, weights));
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(join(directory, model, weights), bytes);
}

/** What administrators see: the versions of the store, and the names under which nothing answers. */
async function administrated(): Promise<string[]> {
  const client = connectAdmin(admin, { maxAttempts: 1, deadlineMs: 10_000 });
  try {
    const { versions, outages } = await client.models.listVersions({});
    return [
      ...versions.map(
        ({ model, version, state }) => `${model}@${version} ${VersionStateSchema.value[state]!.localName}`,
      ),
      ...outages.map(({ model, state, failure }) => `${model} ${ModelStateSchema.value[state]!.localName} ${failure}`),
    ];
  } finally {
    client.close();
  }
}

function serve(...more: readonly string[]): AlbertProcess {
  const listeners = ["--server-public-address", address, "--server-metrics-address", metrics];
  const quiet = ["--server-console-address", "", "--server-admin-address", admin, "--device", "cpu"];
  server = new AlbertProcess("serve", ...listeners, ...quiet, ...more);
  return server;
}

const given = (...names: readonly string[]) => names.flatMap((name) => ["--model", `${name}=${join(directory, name)}`]);

const untilReady = () =>
  vi.waitFor(async () => expect((await fetch(`http://${metrics}/readyz`)).status).toBe(200), PATIENCE_MS);

/** What callers see of a model: its health, what it answers, and what GetModel says. */
async function seen(model: string): Promise<readonly unknown[]> {
  const client = connectAlbert(address, { maxAttempts: 1, deadlineMs: 10_000 });
  const channel = new Client(address, credentials.createInsecure());
  try {
    const { status } = await serviceClient(Health, channel, { deadlineMs: 10_000, headers: {} }).check({
      service: `model/${model}`,
    });
    const labels = client.classify({ text: "a cat", options: { model, head: "sentiment" } });
    const answered = await labels.then(
      (reply) => reply.labels.length,
      (error: Error) => error.message,
    );
    const told = await client.getModel({ model }).then(
      (reply) => reply.model?.ready,
      (error: Error) => error.message,
    );
    const listed = (await client.listModels({})).models.map(({ name, ready, state, failure }) =>
      `${name} ${ready} ${ModelStateSchema.value[state]!.localName} ${failure}`.trim(),
    );
    return [status, answered, told, listed];
  } finally {
    client.close();
    channel.close();
  }
}

const serving = (name: string) => `${name} true SERVING`;
const both = [serving("bad"), serving("good")];
const failed = (name: string) => `${name} false FAILED DIGEST_MISMATCH`;

const readyz = async () => (await fetch(`http://${metrics}/readyz`)).text();

const unavailable = (reason: string) => expect.stringContaining(`no version of bad could be loaded: ${reason}`);

describe("a server of several models", () => {
  it("serves the sound ones, says what is wrong with the others, and takes them in once they are mended", async () => {
    flipByte("bad");
    serve(...given("good", "bad"));
    await untilReady();
    const listed = [failed("bad"), serving("good")];
    expect(await seen("good")).toEqual([ServingStatus.SERVING, 2, true, listed]);
    const refused = unavailable("DIGEST_MISMATCH");
    expect(await seen("bad")).toEqual([ServingStatus.NOT_SERVING, refused, refused, listed]);
    expect(await readyz()).toBe("ready\nnot serving: bad (DIGEST_MISMATCH)\n");
    expect(server?.said).toMatch(/has sha256 .*"model":"bad".*a model cannot be served as given/);
    flipByte("bad");
    await vi.waitFor(
      async () => expect(await seen("bad")).toEqual([ServingStatus.SERVING, 2, true, both]),
      PATIENCE_MS,
    );
    expect(await readyz()).toBe("ready\n");
  }, 180_000);

  it("falls back, with a store, to what the store has of a model, and reports one that it has nothing of", async () => {
    const store = ["--store", join(directory, "store")];
    serve(...store, ...given("good"));
    await untilReady();
    server?.kill("SIGTERM");
    await server?.ended();
    flipByte("good");
    flipByte("bad");
    serve(...store, ...given("good", "bad"));
    await untilReady();
    // The store's version answers in the stead of what was given.
    const listed = [failed("bad"), `${serving("good")} DIGEST_MISMATCH`];
    expect(await seen("good")).toEqual([ServingStatus.SERVING, 2, true, listed]);
    const refused = unavailable("DIGEST_MISMATCH");
    expect(await seen("bad")).toEqual([ServingStatus.NOT_SERVING, refused, refused, listed]);
    expect(await administrated()).toEqual(["good@1 SERVING", "bad FAILED DIGEST_MISMATCH"]);
    const { out } = await runAlbert("models", "list", "--admin", admin);
    expect(out).toMatch(/^good +1 +serving .*\nbad does not serve: DIGEST_MISMATCH: .* has sha256 /m);
    flipByte("bad");
    await vi.waitFor(
      async () => expect(await seen("bad")).toEqual([ServingStatus.SERVING, 2, true, [serving("bad"), listed[1]]]),
      PATIENCE_MS,
    );
  }, 180_000);

  it("does not start where nothing could serve, or a path leads to nothing", async () => {
    flipByte("bad");
    expect(await serve(...given("bad")).ended()).not.toBe(0);
    expect(server?.said).toMatch(/has sha256 .*but the manifest says/);
    expect(await serve(...given("good", "typo")).ended()).not.toBe(0);
    expect(server?.said).toContain(`nothing is at ${join(directory, "typo")}`);
  }, 120_000);
});
