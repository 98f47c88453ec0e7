import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { Uploads } from "../../src/store/uploads.ts";
import { workshop } from "../support/stores.ts";

const { path } = workshop();
let made = 0;

async function uploads(maxBytes = 1000) {
  const name = `uploads-${made++}`;
  const { datasets } = await openStore(path(`${name}-store`));
  const directory = path(name);
  return { datasets, directory, uploads: new Uploads({ directory, datasets, maxBytes }) };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const planOf = (bytes: Uint8Array) => ({ name: "rows.tsv", bytes: bytes.length, digest: sha256(bytes) });

describe("an upload", () => {
  it("becomes a dataset when all of it has arrived, in chunks of any size, some of them twice", async () => {
    const { uploads: target, datasets, directory } = await uploads();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { minLength: 1, maxLength: 6 }), async (chunks) => {
        const bytes = randomBytes(97);
        const { uploadId } = await target.begin(planOf(bytes));
        let received = 0;
        for (const [back, length] of [...chunks, [0, 97] as const]) {
          const offset = Math.max(0, received - back);
          const data = bytes.subarray(offset, offset + length);
          received = Math.max(received, offset + data.length);
          expect(await target.append(uploadId, offset, data)).toEqual({ uploadId, receivedBytes: received });
        }
        const dataset = await target.commit(uploadId);
        expect(readFileSync(await datasets.materialise(dataset.digest)).equals(bytes)).toBe(true);
        expect(await target.commit(uploadId)).toEqual(dataset); // the answer was lost, the client asks again
      }),
      { numRuns: 5 },
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  it("goes on where it was after a restart, and needs nothing when the store has the file", async () => {
    const { uploads: before, datasets, directory } = await uploads();
    const bytes = Buffer.from("0123456789");
    const { uploadId } = await before.begin(planOf(bytes));
    await before.append(uploadId, 0, bytes.subarray(0, 4));
    const after = new Uploads({ directory, datasets, maxBytes: 1000 });
    expect(await after.begin(planOf(bytes))).toEqual({ uploadId, receivedBytes: 4 });
    await after.append(uploadId, 4, bytes.subarray(4));
    await after.commit(uploadId);
    expect(await after.begin(planOf(bytes))).toEqual({ uploadId, receivedBytes: 10 });
  });

  it("is still there when the store failed, so that nothing is sent twice", async () => {
    const { uploads: target, datasets } = await uploads();
    const bytes = Buffer.from("0123456789");
    const { uploadId } = await target.begin(planOf(bytes));
    await target.append(uploadId, 0, bytes);
    const add = vi.spyOn(datasets, "add").mockRejectedValueOnce(new Error("the store does not answer"));
    await expect(target.commit(uploadId)).rejects.toThrow("does not answer");
    expect(await target.begin(planOf(bytes))).toEqual({ uploadId, receivedBytes: 10 });
    expect(await target.commit(uploadId)).toMatchObject({ digest: uploadId });
    add.mockRestore();
  });

  it("is given up when nobody has gone on with it for long", async () => {
    const { uploads: target, directory } = await uploads();
    const [old, young] = [Buffer.from("0123456789"), Buffer.from("9876543210")];
    for (const bytes of [old, young]) {
      const { uploadId } = await target.begin(planOf(bytes));
      await target.append(uploadId, 0, bytes.subarray(0, 4));
    }
    const [gone, kept] = [sha256(old), sha256(young)];
    const hourAgo = Date.now() / 1000 - 3600;
    for (const ending of ["part", "json"]) utimesSync(join(directory, `${gone}.${ending}`), hourAgo, hourAgo);
    utimesSync(join(directory, `${kept}.json`), hourAgo, hourAgo); // its bytes came later
    expect(await target.sweep(1_800_000)).toEqual([gone]);
    expect(readdirSync(directory).sort()).toEqual([`${kept}.json`, `${kept}.part`]);
  });

  it("takes chunks that come at once one after the other", async () => {
    const { uploads: target } = await uploads();
    const bytes = randomBytes(40);
    const { uploadId } = await target.begin(planOf(bytes));
    await Promise.all([0, 10, 20, 30].map((at) => target.append(uploadId, at, bytes.subarray(at, at + 10))));
    expect((await target.commit(uploadId)).bytes).toBe(40);
  });

  it("refuses a gap, a contradiction, too much, too little, and what was never announced", async () => {
    const { uploads: target } = await uploads();
    const bytes = Buffer.from("0123456789");
    const { uploadId } = await target.begin(planOf(bytes));
    await target.append(uploadId, 0, bytes.subarray(0, 5));
    await expect(target.append(uploadId, 6, bytes.subarray(6))).rejects.toThrow("expected at most 5, got 6");
    await expect(target.append(uploadId, -1, bytes)).rejects.toMatchObject({ code: "invalid-input" });
    await expect(target.append(uploadId, 3, Buffer.from("xx"))).rejects.toThrow("bytes from 3 differ");
    await expect(target.append(uploadId, 5, Buffer.from("567890"))).rejects.toThrow("beyond the announced 10");
    await expect(target.commit(uploadId)).rejects.toMatchObject({
      reason: "UPLOAD_INCOMPLETE",
      metadata: { received: "5", bytes: "10" },
    });
    await expect(target.begin({ ...planOf(bytes), bytes: 11 })).rejects.toThrow("announced with 10");
    await expect(target.append("0".repeat(64), 0, bytes)).rejects.toMatchObject({ reason: "UPLOAD_NOT_FOUND" });
    await expect(target.append("../x", 0, bytes)).rejects.toMatchObject({ code: "invalid-input" });
    await expect(target.begin({ ...planOf(bytes), digest: "x" })).rejects.toMatchObject({ code: "invalid-input" });
    await expect(target.begin({ ...planOf(bytes), name: "../x" })).rejects.toMatchObject({ code: "invalid-input" });
    await expect(target.begin({ ...planOf(bytes), bytes: 1001 })).rejects.toMatchObject({
      code: "too-large",
      reason: "DATASET_TOO_LARGE",
    });
    expect(await target.begin({ name: "largest", bytes: 1000, digest: "0".repeat(64) })).toMatchObject({
      receivedBytes: 0,
    });
  });

  it("that has another digest than announced becomes nothing, and begins anew", async () => {
    const { uploads: target, datasets } = await uploads();
    const plan = { ...planOf(Buffer.from("right")), bytes: 5 };
    const { uploadId } = await target.begin(plan);
    await target.append(uploadId, 0, Buffer.from("wrong"));
    await expect(target.commit(uploadId)).rejects.toMatchObject({ code: "corrupt", reason: "DIGEST_MISMATCH" });
    expect(await datasets.list()).toEqual([]);
    expect((await target.begin(plan)).receivedBytes).toBe(0);
  });

  it("forgets a plan that a crash cut short", async () => {
    const { uploads: target, directory } = await uploads();
    const plan = planOf(Buffer.from("abc"));
    await target.begin(plan);
    writeFileSync(`${directory}/${plan.digest}.json`, '{"name":');
    expect((await target.begin(plan)).receivedBytes).toBe(0);
  });

  it("goes on after a byte of its plan was damaged, and begins anew after one of its bytes was", async () => {
    const { uploads: target, directory, datasets } = await uploads();
    const bytes = Buffer.from("0123456789");
    const plan = planOf(bytes);
    const { uploadId } = await target.begin(plan);
    await target.append(uploadId, 0, bytes.subarray(0, 6));
    const file = `${directory}/${plan.digest}.json`;
    writeFileSync(file, readFileSync(file, "utf8").replace('"bytes":1', '"bytes":9'));
    await expect(target.append(uploadId, 6, bytes.subarray(6))).rejects.toMatchObject({ reason: "UPLOAD_NOT_FOUND" });
    expect((await target.begin(plan)).receivedBytes).toBe(6);
    writeFileSync(`${directory}/${plan.digest}.part`, "0123x5");
    await target.append(uploadId, 6, bytes.subarray(6));
    await expect(target.commit(uploadId)).rejects.toMatchObject({ reason: "DIGEST_MISMATCH" });
    expect((await target.begin(plan)).receivedBytes).toBe(0);
    await target.append(uploadId, 0, bytes);
    expect((await target.commit(uploadId)).digest).toBe(plan.digest);
    expect(await datasets.list()).toHaveLength(1);
  });
});
