import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import type { ModelVersion } from "../../src/store/versions.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
let count = 0;
let place: string;
let store: Store;
let version: ModelVersion;
let directory: string;
beforeEach(async () => {
  place = path(`verified-${count++}`);
  store = await openStore(place, { cacheDirectory: `${place}-cache` });
  directory = await modelDirectory();
  version = await store.versions.publish("m", directory);
  await store.aliases.point("m", 1, { reason: "a test" });
});
afterEach(() => store.close());

const weights = () => version.files["model.safetensors"]!.sha256;
const blobPath = () => join(place, "objects/blobs", weights().slice(0, 2), weights());

/** Changes one byte of a file, which shares its disk blocks with no other afterwards. */
function flip(file: string, at = 9): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  rmSync(file);
  writeFileSync(file, bytes);
}

describe("verifying a store", () => {
  it("counts what it read when all is sound, and changes nothing", async () => {
    const data = path("data.tsv");
    writeFileSync(data, "sentence\tlabel\na\t1\n");
    await store.datasets.add("data.tsv", data);
    const files = Object.keys(version.files).length + 1;
    expect(await store.verify(true)).toMatchObject({ versions: 1, datasets: 1, files, problems: [] });
    expect(existsSync(join(place, "objects/quarantine"))).toBe(false);
  });

  it("names a damaged file and the versions that need it, and leaves it unless it is to repair", async () => {
    flip(blobPath());
    const { problems } = await store.verify(false);
    expect(problems).toEqual([
      {
        where: `file ${weights().slice(0, 12)} of version m@1`,
        problem: expect.stringMatching(/^is damaged: its bytes have sha256 /),
        repaired: undefined,
        advice: expect.stringContaining("publish the same model"),
      },
    ]);
    expect(existsSync(blobPath())).toBe(true);

    expect((await store.verify(true)).problems).toMatchObject([{ repaired: "moved into quarantine" }]);
    expect(existsSync(blobPath())).toBe(false);
    expect((await store.verify(false)).problems).toMatchObject([{ problem: "is missing" }]);
    await store.versions.publish("m", directory);
    expect((await store.verify(false)).problems).toEqual([]);
  });

  it("restores a file, damaged or lost, of which this machine has a sound copy", async () => {
    await store.versions.materialise(version);
    flip(blobPath());
    expect((await store.verify(true)).problems).toMatchObject([{ repaired: "restored from this machine's copy" }]);
    expect(readdirSync(join(place, "objects/quarantine"))).toHaveLength(1);
    rmSync(blobPath());
    expect((await store.verify(true)).problems).toMatchObject([{ repaired: "restored from this machine's copy" }]);
    expect((await store.verify(false)).problems).toEqual([]);
  });

  it("finds a damaged record and an alias that points at nothing", async () => {
    const record = join(place, "objects/models/m/versions/000001.json");
    flip(record, 20);
    expect((await store.verify(false)).problems).toMatchObject([{ where: "record models/m/versions/000001.json" }]);
    await store.versions.publish("m", await modelDirectory()); // another version, so that the model is known
    expect((await store.verify(true)).problems).toMatchObject([
      { where: "record models/m/versions/000001.json", repaired: "moved into quarantine" },
      { where: "alias champion of m", problem: expect.stringContaining("version 1, which the store does not have") },
    ]);
    expect(existsSync(record)).toBe(false);
  });

  it("sets a damaged record of aliases aside", async () => {
    const cell = join(place, "cells/aliases/m");
    const newest = join(cell, readdirSync(cell).sort().at(-1)!);
    flip(newest, 20);
    expect((await store.verify(false)).problems).toMatchObject([{ where: "aliases of m", repaired: undefined }]);
    expect((await store.verify(true)).problems).toMatchObject([
      { where: "aliases of m", repaired: "moved into quarantine" },
    ]);
    expect((await store.verify(false)).problems).toEqual([]);
  });
});
