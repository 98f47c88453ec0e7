import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AlbertError } from "../../src/errors.ts";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import { bytesBody, type ObjectStore } from "../../src/store/objects/object-store.ts";
import { S3ObjectStore } from "../../src/store/objects/s3-object-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { missing } from "../support/fixtures.ts";
import { installedS3Server, type S3Server, startS3Server } from "../support/s3-server.ts";
import { TestClock, workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
const retention = { keepVersions: 1, keepAliasChanges: 0 };
const HOUR = 3_600_000;

/** What a store must do wherever its objects lie. */
function contract(kind: string, open: (name: string) => Promise<ObjectStore>): void {
  const clock = new TestClock();
  const opened: Store[] = [];
  const store = async (name: string, cache = "cache") => {
    const made = createStore({ objects: await open(name), cacheDirectory: path(`${kind}-${name}-${cache}`), clock });
    opened.push(made);
    return made;
  };
  afterAll(() => Promise.all(opened.map((made) => made.close())));

  it("numbers the versions of a model from 1 and gives them back whole", async () => {
    const { versions } = await store("numbers");
    const directories = [await modelDirectory(), await modelDirectory()];
    const published = [];
    for (const directory of directories) published.push(await versions.publish("m", directory));
    expect(published.map(({ version }) => version)).toEqual([1, 2]);
    expect(await versions.list("m")).toEqual(published);
    expect(await versions.models()).toEqual(["m"]);
    for (const [i, version] of published.entries()) {
      const local = await versions.materialise(version);
      for (const file of readdirSync(directories[i]!)) {
        expect(readFileSync(join(local, file)).equals(readFileSync(join(directories[i]!, file))), file).toBe(true);
      }
      expect((await openModelDirectory(local)).digest).toBe(version.digest);
      expect(version.manifest.heads).toEqual((await openModelDirectory(local)).heads);
    }
    expect(await versions.list("another")).toEqual([]);
  });

  it("publishes a job once, whatever two servers that each take it for their own made of it", async () => {
    const { versions } = await store("jobs");
    const made = await Promise.all(["a", "b", "c"].map((label) => modelDirectory(`job-${kind}-${label}`, {}, "job-1")));
    const published = await Promise.all(made.map((directory) => versions.publish("m", directory)));
    expect(published.map(({ version }) => version)).toEqual([1, 1, 1]);
    expect(new Set(published.map(({ digest }) => digest)).size).toBe(1);
    expect((await versions.publish("m", await modelDirectory(`job-${kind}-d`, {}, "job-2"))).version).toBe(2);
  });

  it("knows a dataset by the first digits of its digest, and names those that share them", async () => {
    const objects = await open("prefixes");
    const { datasets } = createStore({ objects, cacheDirectory: path(`${kind}-prefixes`), clock });
    const digests = ["abcdef0123".padEnd(64, "0"), "abcdef0199".padEnd(64, "1"), "123456789".padEnd(64, "2")];
    for (const digest of digests) await objects.putIfAbsent(`datasets/${digest}.json`, bytesBody(Buffer.from("{}")));
    expect(await datasets.whole("12345678")).toBe(digests[2]);
    expect(await datasets.whole("ABCDEF0199")).toBe(digests[1]);
    expect(await datasets.whole("f".repeat(64))).toBe("f".repeat(64)); // whole already; whoever reads it finds that it is missing
    await expect(datasets.whole("abcdef01", "spec.train")).rejects.toMatchObject({
      violations: [
        {
          field: "spec.train",
          description: `2 digests begin with abcdef01: ${digests[0]}, ${digests[1]}; give more digits`,
        },
      ],
    });
    await expect(datasets.whole("99999999")).rejects.toMatchObject({ code: "not-found", reason: "DATASET_NOT_FOUND" });
    for (const wrong of ["1234567", "tickets.csv", "", "0".repeat(65)]) {
      await expect(datasets.whole(wrong), wrong).rejects.toMatchObject({
        violations: [{ description: "expected the 64 hex digits of a digest, or its first 8 or more" }],
      });
    }
  });

  it("stores the same contents once, and the vocabulary of all versions once", async () => {
    const { versions } = await store("once");
    const [first, second] = [await modelDirectory("x", { f1: 1 }), await modelDirectory("x", { f1: 2 })];
    const published = await versions.publish("m", first);
    expect(await versions.publish("m", second)).toEqual(published);
    const other = await versions.publish("m", await modelDirectory("y"));
    expect(other.files["vocab.txt"]).toEqual(published.files["vocab.txt"]);
  });

  it("gives concurrent publishers different numbers and loses none", async () => {
    const stores = [await store("concurrent"), await store("concurrent", "cache-2")];
    const directories = await Promise.all(Array.from({ length: 6 }, () => modelDirectory()));
    const published = await Promise.all(
      directories.map((directory, i) => stores[i % 2]!.versions.publish("m", directory)),
    );
    expect(published.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await stores[0]!.versions.list("m")).map(({ digest }) => digest).sort()).toEqual(
      published.map(({ digest }) => digest).sort(),
    );
  });

  it("stores the same contents once, however many publish them at the same time", async () => {
    for (let round = 0; round < 5; round++) {
      const model = `same-${round}`;
      const directory = await modelDirectory(model);
      const stores = [await store("concurrent"), await store("concurrent", "cache-2")];
      const published = await Promise.all(
        Array.from({ length: 4 }, (_, i) => stores[i % 2]!.versions.publish(model, directory)),
      );
      expect(new Set(published.map(({ version }) => version))).toEqual(new Set([1]));
      expect(await stores[0]!.versions.list(model)).toHaveLength(1);
    }
  });

  it("moves an alias only for who saw its present generation", async () => {
    const { versions, aliases } = await store("aliases");
    for (let i = 0; i < 3; i++) await versions.publish("m", await modelDirectory());
    expect(await aliases.get("m", "champion")).toBeUndefined();
    expect(await aliases.point("m", 1, { expectedGeneration: 0, reason: "first" })).toMatchObject({
      version: 1,
      generation: 1,
      reason: "first",
    });
    await expect(aliases.point("m", 2, { expectedGeneration: 0, reason: "late" })).rejects.toMatchObject({
      code: "conflict",
      reason: "GENERATION_MISMATCH",
      metadata: { expected: "0", current: "1", version: "1" },
    });
    await aliases.point("m", 3, { expectedGeneration: 1, reason: "better" });
    const { aliases: now } = await aliases.list("m");
    expect(now["champion"]).toMatchObject({ version: 3, generation: 2 });
    expect(now["previous"]).toMatchObject({ version: 1, generation: 1 });
    await expect(aliases.point("m", 9, { reason: "no such" })).rejects.toMatchObject({ reason: "VERSION_NOT_FOUND" });
  });

  it("lets exactly one of two promoters win", async () => {
    const stores = [await store("race"), await store("race", "cache-2")];
    for (let i = 0; i < 3; i++) await stores[0]!.versions.publish("m", await modelDirectory());
    for (let generation = 0; generation < 4; generation++) {
      const outcomes = await Promise.allSettled(
        [1, 2, 3, 1].map((version, i) =>
          stores[i % 2]!.aliases.point("m", version, { expectedGeneration: generation, reason: `${i}` }),
        ),
      );
      const won = outcomes.filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        expect(outcome.reason).toMatchObject({ code: "conflict", metadata: { current: String(generation + 1) } });
      }
      expect(await stores[1]!.aliases.get("m", "champion")).toEqual((won[0] as PromiseFulfilledResult<unknown>).value);
    }
  });

  it("loses no promotion of those that do not care what was there", async () => {
    const { versions, aliases } = await store("unconditional");
    for (let i = 0; i < 2; i++) await versions.publish("m", await modelDirectory());
    await Promise.all([1, 2, 1, 2].map((version) => aliases.point("m", version, { reason: "any" })));
    expect((await aliases.get("m", "champion"))!.generation).toBe(4);
    const history = await aliases.history("m", "champion");
    expect(history.map(({ generation }) => generation)).toEqual([4, 3, 2, 1]);
    for (const [i, { from }] of history.entries()) expect(from).toBe(history[i + 1]?.to);
  });

  it("rolls back to what an alias pointed at before, and says when there is nothing", async () => {
    const { versions, aliases } = await store("rollback");
    for (let i = 0; i < 2; i++) await versions.publish("m", await modelDirectory());
    await expect(aliases.rollback("m", { reason: "x" })).rejects.toMatchObject({ reason: "NOTHING_TO_ROLL_BACK" });
    await aliases.point("m", 1, { reason: "a" });
    await expect(aliases.rollback("m", { reason: "x" })).rejects.toMatchObject({ reason: "NOTHING_TO_ROLL_BACK" });
    await aliases.point("m", 2, { reason: "b" });
    await expect(aliases.rollback("m", { expectedGeneration: 1, reason: "x" })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await aliases.rollback("m", { expectedGeneration: 2, reason: "worse" })).toMatchObject({
      version: 1,
      generation: 3,
    });
    expect((await aliases.get("m", "previous"))!.version).toBe(2);
  });

  it("lets an alias go, and counts its generations on when it comes back", async () => {
    const { versions, aliases } = await store("removed-alias");
    await versions.publish("m", await modelDirectory());
    await aliases.point("m", 1, { alias: "canary", reason: "try" });
    await aliases.update("m", [{ alias: "canary", expectedGeneration: 1 }], "enough");
    expect(await aliases.get("m", "canary")).toBeUndefined();
    expect(await aliases.point("m", 1, { alias: "canary", reason: "again" })).toMatchObject({ generation: 3 });
  });

  it("tells watchers of other processes what changed, once each", async () => {
    const [writer, reader] = [await store("watch"), await store("watch", "cache-2")];
    for (let i = 0; i < 2; i++) await writer.versions.publish("m", await modelDirectory());
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const { aliases } of reader.aliases.watch("m", { intervalMs: 5, signal: stop.signal })) {
      seen.push(aliases["champion"]?.version);
      if (seen.length === 3) stop.abort();
      else await writer.aliases.point("m", seen.length, { reason: "next" });
    }
    expect(seen).toEqual([undefined, 1, 2]);
  });

  it("resolves numbers, aliases, digests and nothing at all", async () => {
    const { versions, aliases, resolve } = await store("resolve");
    const [one, two] = [
      await versions.publish("m", await modelDirectory()),
      await versions.publish("m", await modelDirectory()),
    ];
    await aliases.point("m", 2, { reason: "x" });
    expect((await resolve("m", "1")).digest).toBe(one.digest);
    expect((await resolve("m", "")).digest).toBe(two.digest);
    expect((await resolve("m", "champion")).digest).toBe(two.digest);
    expect((await resolve("m", one.digest)).version).toBe(1);
    await expect(resolve("m", "7")).rejects.toMatchObject({ code: "not-found", reason: "VERSION_NOT_FOUND" });
    await expect(resolve("m", "constructor")).rejects.toMatchObject({ code: "not-found" });
    await expect(resolve("m", "../1")).rejects.toMatchObject({ code: "invalid-input" });
    await expect(resolve("x/y", "1")).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("keeps one report of a kind for a version", async () => {
    const { versions } = await store("reports");
    await versions.publish("m", await modelDirectory());
    expect(await versions.report("m", 1, "gate")).toBeUndefined();
    await versions.attachReport("m", 1, "gate", { verdict: "pass" });
    await versions.attachReport("m", 1, "gate", { verdict: "pass" });
    await expect(versions.attachReport("m", 1, "gate", { verdict: "fail" })).rejects.toMatchObject({
      code: "already-exists",
    });
    expect(await versions.report("m", 1, "gate")).toEqual({ verdict: "pass" });
    await expect(versions.attachReport("m", 2, "gate", {})).rejects.toMatchObject({ code: "not-found" });
  });

  it("collects what nothing refers to, and nothing else", async () => {
    const { versions, aliases, collectGarbage } = await store("garbage");
    for (let i = 0; i < 7; i++) await versions.publish("m", await modelDirectory(`g${i}`));
    await aliases.point("m", 1, { reason: "served long ago" });
    await aliases.point("m", 2, { reason: "previous" });
    await aliases.point("m", 3, { reason: "champion" });
    await versions.setPinned("m", 4, true);
    for (const version of await versions.list("m")) await versions.materialise(version);
    const report = await collectGarbage({ ...retention, roots: async () => ["m@5"] });
    expect(readdirSync(path(`${kind}-garbage-cache/models`))).toHaveLength(5);
    expect(report.removedVersions.map(({ version }) => version)).toEqual([1, 6]);
    expect(report.removedBlobs).toBeGreaterThan(0);
    expect((await versions.list("m")).map(({ version }) => version)).toEqual([2, 3, 4, 5, 7]);
    for (const version of await versions.list("m")) await openModelDirectory(await versions.materialise(version));
    await expect(versions.get("m", 6)).rejects.toMatchObject({ reason: "VERSION_REMOVED" });

    await versions.setPinned("m", 4, false);
    expect(
      (await collectGarbage({ keepVersions: 1, keepAliasChanges: 99 })).removedVersions.map(({ version }) => version),
    ).toEqual([4, 5]);
    expect((await versions.publish("m", await modelDirectory())).version).toBe(8);
    expect((await versions.publish("m", await modelDirectory("g5"))).version).toBe(9); // removed contents may come back
  });

  it("never takes what a writer is about to refer to, and what a killed writer left only later", async () => {
    const objects = await open("leases");
    const { versions, collectGarbage, datasets } = createStore({ objects, cacheDirectory: path("c"), clock });
    await versions.publish("m", await modelDirectory());
    writeFileSync(path("rows.tsv"), "text\tlabel\n");
    const dataset = await datasets.add("rows.tsv", path("rows.tsv"));
    await objects.putIfAbsent("blobs/aa/aa", bytesBody(Buffer.from("x")));
    const lease = { id: "killed", expiresAt: clock.now() + HOUR, blobs: ["aa"], versions: [] };
    await objects.putIfAbsent("leases/killed.json", bytesBody(Buffer.from(JSON.stringify(lease))));
    expect((await collectGarbage(retention)).removedBlobs).toBe(0);
    clock.time += 2 * HOUR;
    expect((await collectGarbage(retention)).removedBlobs).toBe(1);
    expect(await objects.get("leases/killed.json")).toBeUndefined();
    await datasets.materialise(dataset.digest);
    await datasets.delete(dataset.digest, []);
    expect((await collectGarbage(retention)).removedBlobs).toBe(1);
    await objects.close();
  });

  it("leaves alone what a server references, until that is released or has expired", async () => {
    const { versions, references, collectGarbage } = await store("held");
    for (let i = 0; i < 4; i++) await versions.publish("m", await modelDirectory());
    const hold = (holder: string, ...names: string[]) =>
      references.set(holder, "a test", { versions: names, datasets: ["d"] }, HOUR);
    const collected = async () => (await collectGarbage(retention)).removedVersions.map(({ version }) => version);
    await hold("a", "m@1");
    await hold("a", "m@2");
    await hold("b", "m@3");
    expect(
      (await references.list()).map(({ holder, versions, datasets }) => [holder, versions, datasets]).sort(),
    ).toEqual([
      ["a", ["m@2"], ["d"]],
      ["b", ["m@3"], ["d"]],
    ]);
    expect(await collected()).toEqual([1]);
    await references.release("b");
    expect(await collected()).toEqual([3]);
    clock.time += 2 * HOUR;
    expect(await references.list()).toEqual([]);
    expect(await collected()).toEqual([2]);
  });

  it("says what it would remove, without removing it", async () => {
    const { versions, collectGarbage } = await store("dry");
    for (let i = 0; i < 3; i++) await versions.publish("m", await modelDirectory());
    const said = await collectGarbage({ ...retention, dryRun: true });
    expect(said.removedVersions.map(({ version }) => version)).toEqual([1, 2]);
    expect(await versions.list("m")).toHaveLength(3);
    expect(await collectGarbage(retention)).toEqual(said);
  });

  it("makes writers wait for a collection, and a second collection fail", async () => {
    const objects = await open("collecting");
    const { versions, collectGarbage } = createStore({ objects, cacheDirectory: path("c"), clock });
    const directory = await modelDirectory();
    const marker = { id: "other", until: clock.now() + 60_000 };
    await objects.writeRegister("collecting", Buffer.from(JSON.stringify(marker)), undefined);
    await expect(versions.publish("m", directory)).rejects.toMatchObject({
      code: "unavailable",
      reason: "STORE_COLLECTING",
      retryAfterMs: 60_000,
    });
    await expect(collectGarbage(retention)).rejects.toMatchObject({ code: "unavailable", reason: "STORE_COLLECTING" });
    clock.time += 6 * HOUR; // the collection was killed
    expect((await versions.publish("m", directory)).version).toBe(1);
    await collectGarbage(retention);
    await objects.close();
  });

  it("takes a collection for over once its marker has been for as long as clocks may differ", async () => {
    const objects = await open("marker");
    const { versions, collectGarbage } = createStore({ objects, cacheDirectory: path("c"), clock });
    const directory = await modelDirectory();
    const now = clock.now();
    const marked = async (until: number, tag?: string) =>
      objects.writeRegister("collecting", Buffer.from(JSON.stringify({ id: "other", until })), tag);
    await marked(now - 59_999);
    await expect(collectGarbage(retention)).rejects.toMatchObject({ reason: "STORE_COLLECTING" });
    await versions.publish("m", directory);
    expect(clock.now()).toBeGreaterThan(now); // it waited
    await marked(clock.now() - 60_000, (await objects.readRegister("collecting"))!.tag);
    const later = clock.now();
    await versions.publish("m", await modelDirectory());
    await collectGarbage(retention);
    expect(clock.now()).toBe(later);
    await objects.close();
  });

  it("puts a damaged blob into quarantine, says so, and is mended by publishing again", async () => {
    const objects = await open("quarantine");
    const { versions } = createStore({ objects, cacheDirectory: path(`${kind}-quarantine-cache`), clock });
    const directory = await modelDirectory();
    const version = await versions.publish("m", directory);
    const { sha256, bytes } = version.files["model.safetensors"]!;
    const key = `blobs/${sha256.slice(0, 2)}/${sha256}`;
    await objects.delete(key);
    await objects.putIfAbsent(key, bytesBody(new Uint8Array(bytes)));
    await expect(versions.materialise(version)).rejects.toMatchObject({
      code: "corrupt",
      reason: "BLOB_CORRUPT",
      metadata: { sha256 },
    });
    const quarantined: string[] = [];
    for await (const { key: found } of objects.list("quarantine/")) quarantined.push(found);
    expect(quarantined).toEqual([expect.stringContaining(sha256)]);
    await expect(versions.materialise(version)).rejects.toMatchObject({ reason: "BLOB_MISSING" });
    expect(await versions.publish("m", directory)).toEqual(version);
    await openModelDirectory(await versions.materialise(version));
    await objects.close();
  });

  it("keeps datasets by their bytes", async () => {
    const { datasets } = await store("datasets");
    writeFileSync(path("train.tsv"), "a\t1\nb\t0\n");
    const dataset = await datasets.add("train.tsv", path("train.tsv"));
    expect(dataset).toMatchObject({ name: "train.tsv", bytes: 8 });
    expect(await datasets.add("other-name.tsv", path("train.tsv"))).toEqual(dataset);
    expect(await datasets.get(dataset.digest)).toEqual(dataset);
    expect(await datasets.list()).toEqual([dataset]);
    const local = await datasets.materialise(dataset.digest);
    expect(readFileSync(local, "utf8")).toBe("a\t1\nb\t0\n");
    expect(local.endsWith("/train.tsv")).toBe(true);
    await expect(datasets.add("x.tsv", path("train.tsv"), "0".repeat(64))).rejects.toMatchObject({
      reason: "DIGEST_MISMATCH",
    });
    await expect(datasets.add("../x.tsv", path("train.tsv"))).rejects.toMatchObject({ code: "invalid-input" });
    await expect(datasets.get("../../etc/passwd")).rejects.toMatchObject({ code: "invalid-input" });
    await expect(datasets.get("0".repeat(64))).rejects.toMatchObject({ code: "not-found" });
    await expect(datasets.delete(dataset.digest, ["job 7"])).rejects.toThrow("used by job 7");
    await datasets.delete(dataset.digest, []);
    expect(await datasets.list()).toEqual([]);
  });

  it.each(["", "..", "a/b", "/a", ".hidden", "a..b", "a\u0000", "x".repeat(65)])(
    "refuses the name %j everywhere",
    async (name) => {
      const { versions, aliases } = await store("names");
      const directory = await modelDirectory("names");
      const refused = { code: "invalid-input" };
      await expect(versions.publish(name, directory)).rejects.toMatchObject(refused);
      await expect(versions.list(name)).rejects.toMatchObject(refused);
      await expect(aliases.list(name)).rejects.toMatchObject(refused);
      await expect(aliases.point("m", 1, { alias: name === "" ? "12" : name, reason: "" })).rejects.toMatchObject(
        refused,
      );
    },
  );
}

describe("a store in a directory", () => {
  contract("directory", (name) => DirectoryObjectStore.open(path(`directory-${name}`)));

  it("opens versions without a second copy of their bytes", async () => {
    const store = await openStore(path("linked"));
    const version = await store.versions.publish("m", await modelDirectory());
    const local = await store.versions.materialise(version);
    expect(statSync(join(local, "model.safetensors")).nlink).toBe(2);
  });

  it("makes an opened version again when somebody damaged the local copy's directory", async () => {
    const store = await openStore(path("damaged-cache"));
    const version = await store.versions.publish("m", await modelDirectory());
    const local = await store.versions.materialise(version);
    rmSync(join(local, "vocab.txt"));
    const [a, b] = await Promise.all([store.versions.materialise(version), store.versions.materialise(version)]);
    expect([a, b]).toEqual([local, local]);
    expect(existsSync(join(local, "vocab.txt"))).toBe(true);
  });

  it("opens a version from the directory that is there, and from a new one where the opener finds that damaged", async () => {
    const store = await openStore(path("opened"));
    const version = await store.versions.publish("m", await modelDirectory());
    const opened: string[] = [];
    const opener = async (directory: string) => {
      opened.push(directory);
      return (await openModelDirectory(directory)).digest;
    };
    expect(await store.versions.open(version, opener)).toBe(version.digest);
    const local = opened[0]!;
    rmSync(join(local, "vocab.txt")); // a link to the store's own bytes
    writeFileSync(join(local, "vocab.txt"), "something else");
    expect(await store.versions.open(version, opener)).toBe(version.digest);
    expect(opened).toEqual([local, local, local]);
    const refusal = new AlbertError("precondition", "not now", { reason: "MEMORY_INSUFFICIENT" });
    await expect(store.versions.open(version, () => Promise.reject(refusal))).rejects.toBe(refusal);
  });

  it("refuses to publish a directory that contradicts its manifest", async () => {
    const store = await openStore(path("contradiction"));
    const directory = await modelDirectory();
    chmodSync(join(directory, "config.json"), 0o644);
    writeFileSync(join(directory, "config.json"), "{}");
    await expect(store.versions.publish("m", directory)).rejects.toMatchObject({ reason: "DIGEST_MISMATCH" });
    expect(await store.versions.list("m")).toEqual([]);
  });

  it("knows when a registered dataset has changed, and registers nothing without roots", async () => {
    const resolvePath = async (name: string) => path(name);
    const store = await openStore(path("registered"), { resolvePath });
    writeFileSync(path("set.jsonl"), "{}\n");
    const dataset = await store.datasets.register("set.jsonl", "set.jsonl");
    expect(await store.datasets.materialise(dataset.digest)).toBe(path("set.jsonl"));
    writeFileSync(path("set.jsonl"), "{ }\n");
    await expect(store.datasets.materialise(dataset.digest)).rejects.toMatchObject({ reason: "DATASET_CHANGED" });
    const rootless = await openStore(path("rootless"));
    await expect(rootless.datasets.register("x", "set.jsonl")).rejects.toMatchObject({
      reason: "DATASET_ROOT_MISSING",
    });
  });
});

describe.skipIf(missing("an S3 server (versitygw or minio)", installedS3Server))("a store in S3", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.close());
  contract("s3", (name) => S3ObjectStore.open({ ...server.location, prefix: `store-${name}` }));
});
