import { beforeEach, expect, it } from "vitest";
import { encodeRecord } from "../../../src/model/formats/records.ts";
import { QueueNotices } from "../../../src/store/jobs/queue-notices.ts";
import { MemoryObjectStore } from "../objects/memory-object-store.ts";

let objects: MemoryObjectStore;
let notices: QueueNotices;
beforeEach(() => {
  objects = new MemoryObjectStore();
  notices = new QueueNotices(objects);
});

it("name each job that has changed since a reading once, in the order of their last changes", async () => {
  const empty = await notices.read();
  expect(empty.jobs).toBeUndefined();
  await notices.tell(["a"]);
  await notices.tell(["b", "c"]);
  await notices.tell(["a"]);
  const first = await notices.read(empty);
  expect(first.jobs).toEqual(["b", "c", "a"]);
  expect((await notices.read(first)).jobs).toEqual([]);
  await notices.tell(["d"]);
  expect((await notices.read(first)).jobs).toEqual(["d"]);
});

it("lose none of servers that tell at the same time", async () => {
  const before = await notices.read();
  const jobs = Array.from({ length: 6 }, (_, i) => `job-${i}`);
  await Promise.all(jobs.map((job) => new QueueNotices(objects).tell([job])));
  expect([...(await notices.read(before)).jobs!].sort()).toEqual(jobs);
});

it("say that they cannot tell after more changes than they name, and where the record is damaged or of a later form", async () => {
  const before = await notices.read();
  for (let i = 0; i < 130; i++) await notices.tell([`job-${i}`]);
  expect((await notices.read(before)).jobs).toBeUndefined();
  const now = await notices.read();
  const key = "queue/notices";
  for (const bytes of [Buffer.from("damaged"), encodeRecord({ form: 9, newest: 500, dropped: 0, notices: [] })]) {
    objects.cells.set(key, { bytes, tag: String(bytes.length) });
    const lost = await notices.read(now);
    expect(lost.jobs).toBeUndefined();
    await notices.tell(["a"]);
    const again = await notices.read(lost);
    await notices.tell(["b"]);
    expect([again.jobs, (await notices.read(again)).jobs]).toEqual([undefined, ["b"]]);
  }
});
