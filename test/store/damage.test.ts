import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { AlbertError } from "../../src/errors.ts";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { SCRATCH } from "../support/scratch.ts";
import { expectSound } from "../support/sound.ts";
import { STORE_KINDS } from "../support/store-kinds.ts";
import { TestClock, workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop(SCRATCH);
const HOUR = 3_600_000;
/** Places in a file at which one byte is changed. */
const PLACES = Number(process.env["ALBERT_TEST_DAMAGE"] ?? 3);
const NEVER_READ = "never read";

/** How `verify` names a file of a kind that is damaged. */
interface Kind {
  readonly named: RegExp | typeof NEVER_READ;
  /** What a person does after the repair, as the report advises. */
  readonly mend?: (store: Store) => Promise<unknown>;
}

let first: string;
let second: string;
const publishAgain = async (store: Store) => {
  for (const directory of [first, second]) await store.versions.publish("hit", directory);
};
const promoteNewest = async (store: Store) =>
  store.aliases.point("hit", (await store.versions.list("hit")).at(-1)!.version, { reason: "as advised" });
const data = path("data.tsv");

/** How damage in each kind of file is met. */
const MET: Readonly<Record<keyof typeof STORE_KINDS, Kind>> = {
  "blob of a version": { named: /^file \w+ of version hit@/, mend: publishAgain },
  "blob of a data set": {
    named: /^file \w+ of dataset data.tsv$/,
    mend: (store) => store.datasets.add("data.tsv", data),
  },
  version: {
    named: /^record models\/hit\/versions\//,
    mend: async (store) => {
      await publishAgain(store);
      await promoteNewest(store);
    },
  },
  "removed version": { named: /^record models\/hit\/removed\// },
  report: { named: /^record models\/hit\/reports\// },
  "data set": { named: /^record datasets\//, mend: (store) => store.datasets.add("data.tsv", data) },
  reference: { named: /^record holds\// },
  lease: { named: /^record leases\// },
  job: { named: /^record jobs\// },
  "piece of a job's log": { named: /^record job-logs\// },
  "log of a job that has ended": { named: /^record job-ends\// },
  "request that made a job": { named: /^record job-requests\// },
  // Whoever takes the job over compares it with its digest, and begins anew without it.
  "checkpoint of a job": { named: NEVER_READ },
  // The next one replaces it.
  "sign of life of a trainer": { named: NEVER_READ },
  // They are a hint: the next one replaces it, and until then logs are read.
  "notices of the queue": { named: NEVER_READ },
  "what was said of an answer": { named: /^record judgements\/hit\// },
  aliases: { named: /^aliases of hit$/, mend: promoteNewest },
  "evidence on a canary": { named: /^evidence on a canary of hit$/ },
  "marker of garbage collection": { named: /^marker of garbage collection$/ },
  "superseded value of a register": { named: NEVER_READ },
  "file in quarantine": { named: NEVER_READ },
};
const KINDS = Object.entries(STORE_KINDS).map(([kind, pattern]) => ({
  kind,
  pattern,
  ...MET[kind as keyof typeof STORE_KINDS],
}));
/** A pin is empty: only its name counts. */
const EMPTY = /^objects\/models\/hit\/pins\/000002$/;

/** What another model of the store needs: none of it may suffer. */
const OF_THE_OTHER = /^(objects\/models|cells\/aliases)\/steady\//;
const clock = new TestClock();
const sound = path("sound");
let otherBlobs: Set<string>;
let dataset: string;

const open = async (place: string) =>
  createStore({ objects: await DirectoryObjectStore.open(place), cacheDirectory: `${place}-cache`, clock });

/** A store in which everything has happened that leaves a file. */
async function fill(store: Store, objects: DirectoryObjectStore): Promise<void> {
  const removed = await modelDirectory();
  [first, second] = [await modelDirectory(), await modelDirectory()];
  const steady = await store.versions.publish("steady", await modelDirectory());
  await store.aliases.point("steady", 1, { reason: "x" });
  otherBlobs = new Set(Object.values(steady.files).map(({ sha256 }) => sha256));
  await store.versions.publish("hit", removed);
  await store.versions.publish("hit", first);
  await store.versions.publish("hit", second);
  await store.aliases.point("hit", 2, { reason: "x" });
  await store.aliases.point("hit", 3, { reason: "x" });
  await store.evidence.add("hit", "a rule", { asked: 7 });
  await store.versions.setPinned("hit", 2, true);
  await store.versions.attachReport("hit", 3, "gate", { verdict: "pass" });
  writeFileSync(data, "sentence\tlabel\na\t1\n");
  dataset = (await store.datasets.add("data.tsv", data)).digest;
  await store.references.set("server", "a server", { versions: ["hit@2"], datasets: [] }, 1000 * HOUR);
  await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 9 });
  await store.judgements.add({
    ...{ form: 1, id: "an-answer", model: "hit", version: "3", head: "c", text: "a", answer: "x", probability: 0.5 },
    ...{ label: "y", answeredMs: 1, judgedMs: 2 },
  });
  await store.jobs.bindRequest("a request", { id: "job" });
  await store.jobs.create("job", { id: "job" });
  await store.jobs.putPiece("job", 1, { form: 1, writer: "a server", events: [] });
  await store.jobs.putEnd("job", { form: 1, pieces: 1, events: [] });
  const { size } = statSync(data);
  await store.jobs.putFile("job", { path: "data", sha256: dataset, bytes: size, generation: 1 }, data);
  await store.jobs.giveSign({ form: 1, trainer: "jobs-x", host: "h", pid: 1, beat: 1, atMs: 1 }, undefined);
  await store.jobs.notices.tell(["job"]);
  // A writer that was killed leaves its lease; something set aside lies in quarantine.
  objects.delete = async () => {};
  await store.versions.setPinned("hit", 2, true);
  await objects.putIfAbsent("quarantine/records/x", {
    size: 1,
    chunks: async function* () {
      yield Buffer.from("x");
    },
  });
}

/** Every file of a store, with what its name does not tell put into it. */
function filesOf(place: string): { readonly file: string; readonly name: string }[] {
  const files = readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1));
  return files.map((file) => {
    const siblings = files.filter((other) => other.startsWith(`${join(file, "..")}/`));
    const newest = file.startsWith("cells/") && siblings.sort().at(-1) === file;
    return {
      file,
      name: newest
        ? file.replace(/\d+$/, "NEWEST")
        : file.replace(dataset, file.includes("/blobs/") ? "DATA" : dataset),
    };
  });
}

/** Does something, once more when it was told to come back later. */
async function again<T>(run: () => Promise<T>): Promise<T> {
  return run().catch((error: unknown) => {
    if (!(error instanceof AlbertError) || error.retryAfterMs === undefined) throw error;
    clock.time += error.retryAfterMs;
    return run();
  });
}

/** The same store with one byte of one file changed. The changed file shares its blocks with no other. */
function damaged(place: string, file: string, at: number): void {
  rmSync(place, { recursive: true, force: true });
  cpSync(sound, place, { recursive: true });
  const bytes = readFileSync(join(place, file));
  bytes[Math.min(bytes.length - 1, Math.floor(bytes.length * at))]! ^= 1;
  rmSync(join(place, file));
  writeFileSync(join(place, file), bytes);
}

describe("one damaged byte in a store", { timeout: 120_000 }, () => {
  beforeAll(async () => {
    const objects = await DirectoryObjectStore.open(sound);
    await fill(createStore({ objects, cacheDirectory: `${sound}-cache`, clock }), objects);
  });

  it("is met whatever kind of file it is in: no kind is missing here", async () => {
    const { problems } = await (await open(sound)).verify(false);
    expect(problems).toEqual([]);
    const files = filesOf(sound).filter(({ name }) => !OF_THE_OTHER.test(name) && !EMPTY.test(name));
    expect(files.filter(({ name }) => !KINDS.some(({ pattern }) => pattern.test(name)))).toEqual([]);
    const absent = KINDS.filter(({ pattern }) => !files.some(({ name }) => pattern.test(name)));
    expect(absent).toEqual([]);
  });

  it.each(KINDS)(
    "in a $kind is named, costs no other model anything, and is mended",
    async ({ pattern, named, mend }) => {
      const files = filesOf(sound).filter(
        ({ file, name }) => pattern.test(name) && !otherBlobs.has(file.slice(-64)) && !OF_THE_OTHER.test(name),
      );
      let met = 0;
      for (let i = 0; i < Math.max(PLACES, files.length); i++) {
        const { file } = files[i % files.length]!;
        const place = path("damaged");
        damaged(place, file, i / PLACES);
        const where = `${file} at ${i}/${PLACES}`;
        const store = await open(place);
        const before = await store.verify(false);
        if (named === NEVER_READ || before.problems.length === 0) expect(before.problems, where).toEqual([]);
        else
          expect(before.problems[0], where).toMatchObject({ where: expect.stringMatching(named), repaired: undefined });
        met += before.problems.length === 0 ? 0 : 1;

        // Another model goes on as if nothing were wrong, and so does whatever lists all of them.
        await again(async () => store.versions.publish("steady", await modelDirectory()));
        await store.aliases.point("steady", 2, { reason: "another" });
        await expectSound(store, "steady");
        expect(await store.versions.models()).toContain("steady");
        await store.datasets.list();
        await store.versions.list("hit");

        const repaired = await store.verify(true);
        for (const problem of repaired.problems) {
          expect(problem.repaired ?? problem.advice, where).toMatch(/quarantine|restored|promote|publish/);
        }
        await mend?.(store);
        expect((await store.verify(false)).problems, where).toEqual([]);
        await expectSound(store, "hit");
        clock.time += HOUR;
        await store.collectGarbage({ keepVersions: 9, keepAliasChanges: 9 });
        expect(
          await store.versions.publish("hit", await modelDirectory()),
          "a number is not given again",
        ).toMatchObject({
          version: expect.toSatisfy((version: number) => version > 3),
        });
      }
      // In the name of the checksum's own field no byte matters: what it is about is sound.
      if (named !== NEVER_READ) expect(met, "places at which a byte matters").toBeGreaterThanOrEqual(PLACES / 2);
    },
  );
});
