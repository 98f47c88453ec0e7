import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAdmin } from "../../src/client/admin-client.ts";
import { JobKind } from "../../src/gen/albert/v1/training_pb.js";
import { missing } from "../support/fixtures.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { runServer } from "../support/running-server.ts";
import { smallDisk } from "../support/small-disk.ts";

const small = smallDisk(24);
const disk = small?.directory ?? "";
const skip = missing("the right to mount a small disk (tmpfs)", small);
afterAll(() => small?.remove());

describe.skipIf(skip)("a server whose store cannot be written", () => {
  let directory: string;
  const run = () =>
    runServer({ models: [{ name: "tiny", directory }], config: { store: { directory: join(disk, "store") } } });
  beforeAll(async () => {
    directory = await writeTinyModel();
    const server = await run();
    await server.close();
  });

  /** What holds however the disk refuses writes: it serves, and says of jobs and the model that it could not store why. */
  async function servesButDoesNotTrain(reason: string): Promise<void> {
    const server = await run();
    const admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
    try {
      expect((await server.client.classify({ text: "a cat", options: { head: "sentiment" } })).labels).toHaveLength(2);
      expect((await admin.training.listJobs({})).jobs).toEqual([]);
      const spec = { kind: JobKind.FINE_TUNE, model: "tiny", task: "sst-2" };
      await expect(admin.training.createJob({ requestId: "r", spec })).rejects.toMatchObject({
        reason: "JOBS_UNWRITABLE",
        retryAfterMs: 30_000,
      });
      await expect(
        admin.models.promote({ model: "tiny", version: 1, alias: "canary", expectedGeneration: 0 }),
      ).rejects.toMatchObject({ reason });
      expect(server.log.filter((line) => /cannot be written/.test(line))).toHaveLength(2);
    } finally {
      admin.close();
      await server.close();
    }
  }

  it("serves when its disk is full", async () => {
    const makeRoom = small!.fill();
    try {
      await servesButDoesNotTrain("DISK_FULL");
    } finally {
      makeRoom();
    }
  });

  it("serves when its disk is read-only, also what its cache does not hold", async () => {
    rmSync(join(disk, "store/cache"), { recursive: true });
    small!.remount("ro");
    try {
      await servesButDoesNotTrain("DISK_READ_ONLY");
    } finally {
      small!.remount("rw");
    }
  });
});
