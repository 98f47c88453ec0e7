import { expect, it } from "vitest";
import { decodeRecord, encodeRecord } from "../../src/model/formats/records.ts";
import { createStore } from "../../src/store/store.ts";
import { SCRATCH } from "../support/scratch.ts";
import { TestClock, workshop } from "../support/stores.ts";
import { MemoryObjectStore } from "./objects/memory-object-store.ts";

const { path, modelDirectory } = workshop(SCRATCH);

it("records of a form that only a later release reads are refused, each kind by whoever reads it, and named by verify", async () => {
  const objects = new MemoryObjectStore();
  const store = createStore({ objects, cacheDirectory: path("cache"), clock: new TestClock() });
  await store.versions.publish("m", await modelDirectory());
  await store.aliases.point("m", 1, { reason: "x" });
  await store.versions.attachReport("m", 1, "gate", { verdict: "pass" });
  await store.evidence.add("m", "rule", { asked: 1 });
  await store.references.set("server", "a server", { versions: ["m@1"], datasets: [] }, 1e9);
  await store.jobs.create("job", { id: "job" });
  await store.jobs.putPiece("job", 1, { form: 1, writer: "w", events: [] });
  await store.jobs.giveSign({ form: 1, trainer: "t", host: "h", pid: 1, beat: 1, atMs: 1 }, undefined);
  const later = (bytes: Uint8Array) => encodeRecord({ ...decodeRecord(bytes, "it", 9), form: 9 });
  const records = [...objects.objects].filter(([key]) => key.endsWith(".json"));
  for (const [key, bytes] of records) objects.objects.set(key, later(bytes));
  for (const [key, { bytes, tag }] of objects.cells) objects.cells.set(key, { bytes: later(bytes), tag });
  const readers: Readonly<Record<string, () => Promise<unknown>>> = {
    version: () => store.versions.get("m", 1),
    aliases: () => store.aliases.list("m"),
    report: () => store.versions.report("m", 1, "gate"),
    evidence: () => store.evidence.read("m", "rule"),
    references: () => store.references.list(),
    job: () => store.jobs.identity("job"),
    log: () => store.jobs.piece("job", 1),
    sign: () => store.jobs.sign("t"),
  };
  for (const [kind, read] of Object.entries(readers)) {
    await expect(read(), kind).rejects.toMatchObject({
      ...{ code: "precondition", reason: "STORE_TOO_NEW" },
      message: expect.stringMatching(/ has form 9, this release reads up to form [12]: run the release that wrote it$/),
    });
  }
  const before = new Map(objects.objects);
  for (const repair of [false, true]) {
    const { problems } = await store.verify(repair);
    const named = problems.map(({ where }) => where.replace("record ", ""));
    for (const [key] of records) expect(named).toContain(key);
    expect(problems.every(({ repaired }) => repaired === undefined)).toBe(true);
  }
  expect(new Map(objects.objects)).toEqual(before);
});
