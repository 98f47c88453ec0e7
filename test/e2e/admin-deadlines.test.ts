import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import type { Config } from "../../src/config/settings.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { scriptedEngine } from "../support/scripted-engine.ts";

const LOADING_MS = 80;

let store: string;
let server: RunningServer | undefined;
let admin: AdminClient | undefined;
afterEach(async () => {
  admin?.close();
  await server?.close();
  rmSync(store, { recursive: true, force: true });
});

/** Loads a version that takes `LOADING_MS` to build, on a server with these limits. */
async function loadSlowly(limits: Partial<Config["server"]>) {
  store = mkdtempSync(join(tmpdir(), "albert-deadlines-"));
  const second = await writeTinyModel(undefined, 2);
  const running = await runServer({
    models: [{ name: "m", directory: await writeTinyModel() }],
    config: { store: { directory: store, checkpointRoots: [dirname(second)] }, server: limits },
  });
  server = running;
  admin = connectAdmin(running.app.addresses.admin!, { maxAttempts: 1, deadlineMs: 60_000 });
  await admin.models.importCheckpoint({ model: "m", path: "model" });
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, LOADING_MS));
    return scriptedEngine(await running.open(), running.script);
  };
  running.loading.push(slow);
  return admin.models.loadVersion({ model: "m", version: 2 });
}

it("an administrator's call may take longer than any client's", async () => {
  const { version } = await loadSlowly({ defaultDeadlineMs: 20, maxDeadlineMs: 20 });
  expect(version).toMatchObject({ version: 2, digest: expect.any(String) });
});

it("has a limit of its own", async () => {
  const late = loadSlowly({ adminDefaultDeadlineMs: LOADING_MS / 2, adminMaxDeadlineMs: LOADING_MS / 2 });
  await expect(late).rejects.toMatchObject({ status: "DEADLINE_EXCEEDED" });
});
