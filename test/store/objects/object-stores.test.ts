import { createHash, randomBytes, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryObjectStore } from "../../../src/store/objects/directory-object-store.ts";
import { bytesBody, fileBody, type ObjectStore } from "../../../src/store/objects/object-store.ts";
import { type S3Location, S3ObjectStore } from "../../../src/store/objects/s3-object-store.ts";
import { missing } from "../../support/fixtures.ts";
import { installedS3Server, type S3Server, startS3Server } from "../../support/s3-server.ts";

const scratch = mkdtempSync(join(tmpdir(), "albert-objects-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());
const body = (content: string) => bytesBody(Buffer.from(content));

async function keys(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found.sort();
}

/** What every object store must do. `open` gives another client of the same place. */
function contract(open: () => Promise<ObjectStore>): void {
  let store: ObjectStore;
  let other: ObjectStore;
  beforeAll(async () => {
    store = await open();
    other = await open();
  });
  afterAll(async () => {
    await store.close();
    await other.close();
  });

  it("keeps an object as it was written first", async () => {
    expect(await store.putIfAbsent("a/first", body("one"))).toBe(true);
    expect(await other.putIfAbsent("a/first", body("two"))).toBe(false);
    expect(await other.putIfAbsent("a/first", body("1234567"))).toBe(false);
    expect(text(await other.get("a/first"))).toBe("one");
    expect(await other.head("a/first")).toEqual({ key: "a/first", size: 3 });
  });

  it("counts a write as done when its own bytes are there, as after an answer that got lost", async () => {
    await store.putIfAbsent("a/again", body("same"));
    expect(await other.putIfAbsent("a/again", body("same"))).toBe(true);
  });

  it("lets exactly one of many writers of an object win", async () => {
    const contents = Array.from({ length: 8 }, () => randomUUID());
    const won = await Promise.all(
      contents.map((content, i) => (i % 2 ? store : other).putIfAbsent("a/raced", body(content))),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(text(await store.get("a/raced"))).toBe(contents[won.indexOf(true)]);
  });

  it("has nothing under a key that was not written or was deleted", async () => {
    await store.putIfAbsent("a/gone", body("x"));
    await store.delete("a/gone");
    await store.delete("a/gone");
    for (const key of ["a/gone", "a/never", "never/at/all"]) {
      expect(await other.get(key)).toBeUndefined();
      expect(await other.head(key)).toBeUndefined();
      expect(await other.fetch(key, join(scratch, "absent"))).toBe(false);
      expect(existsSync(join(scratch, "absent"))).toBe(false);
    }
    expect(await store.putIfAbsent("a/gone", body("y"))).toBe(true);
  });

  it("brings a large object into a file, in pieces", async () => {
    const bytes = randomBytes(9 << 20);
    const path = join(scratch, randomUUID());
    writeFileSync(path, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(await store.putIfAbsent("large", fileBody(path, bytes.length, sha256))).toBe(true);
    expect(await store.putIfAbsent("large", fileBody(path, bytes.length, sha256))).toBe(true);
    const fetched = join(scratch, randomUUID());
    expect(await other.fetch("large", fetched)).toBe(true);
    expect(readFileSync(fetched).equals(bytes)).toBe(true);
  });

  it.each([3, 9 << 20])("keeps nothing of a file of %i bytes that changes while it is stored", async (size) => {
    const path = join(scratch, randomUUID());
    writeFileSync(path, randomBytes(size));
    const key = `changed-${size}`;
    await expect(store.putIfAbsent(key, fileBody(path, size, "0".repeat(64)))).rejects.toMatchObject({
      code: "corrupt",
      reason: "DIGEST_MISMATCH",
    });
    expect(await other.get(key)).toBeUndefined();
  });

  it("keeps an empty object", async () => {
    await store.putIfAbsent("empty", body(""));
    expect(text(await other.get("empty"))).toBe("");
  });

  it("lists by the beginning of the key, also within a name", async () => {
    for (const key of ["list/ab/1", "list/ab/2", "list/abc/3", "list/b/4"]) await store.putIfAbsent(key, body(key));
    expect(await keys(other, "list/")).toEqual(["list/ab/1", "list/ab/2", "list/abc/3", "list/b/4"]);
    expect(await keys(other, "list/ab")).toEqual(["list/ab/1", "list/ab/2", "list/abc/3"]);
    expect(await keys(other, "list/ab/")).toEqual(["list/ab/1", "list/ab/2"]);
    expect(await keys(other, "nothing/")).toEqual([]);
  });

  it("lists registers with the tags that change them now", async () => {
    for (const key of ["of/a", "of/b", "offside"]) await store.writeRegister(key, Buffer.from(key), undefined);
    const first = await store.readRegister("of/a");
    await store.writeRegister("of/a", Buffer.from("changed"), first!.tag);
    await store.putIfAbsent("of/object", body("x"));
    const listed = new Map<string, string>();
    for await (const { key, tag } of other.listRegisters("of/")) listed.set(key, tag);
    expect([...listed.keys()].sort()).toEqual(["of/a", "of/b"]);
    for (const [key, tag] of listed) expect((await other.readRegister(key))?.tag).toBe(tag);
    expect(listed.get("of/a")).not.toBe(first!.tag);
    for await (const { key } of other.listRegisters("none/")) expect.unreachable(key);
  });

  it("changes a register only for a writer that saw its present value", async () => {
    expect(await store.readRegister("cells/one")).toBeUndefined();
    expect(await store.writeRegister("cells/one", Buffer.from("1"), undefined)).toBe(true);
    expect(await other.writeRegister("cells/one", Buffer.from("x"), undefined)).toBe(false);
    const seen = (await other.readRegister("cells/one"))!;
    expect(text(seen.bytes)).toBe("1");
    expect(await other.writeRegister("cells/one", Buffer.from("2"), seen.tag)).toBe(true);
    expect(await store.writeRegister("cells/one", Buffer.from("3"), seen.tag)).toBe(false);
    expect(await other.writeRegister("cells/one", Buffer.from("2"), seen.tag)).toBe(true); // its own write, repeated
    expect(text((await store.readRegister("cells/one"))!.bytes)).toBe("2");
  });

  it("lets exactly one of many writers of a register win, each time", async () => {
    for (let round = 0; round < 5; round++) {
      const before = await store.readRegister("cells/raced");
      const contents = Array.from({ length: 6 }, () => randomUUID());
      const won = await Promise.all(
        contents.map((content, i) =>
          (i % 2 ? store : other).writeRegister("cells/raced", Buffer.from(content), before?.tag),
        ),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(text((await store.readRegister("cells/raced"))!.bytes)).toBe(contents[won.indexOf(true)]);
    }
  });

  it.each(["", "/etc/passwd", "../x", "a/../x", "a//b", "a/.hidden", "a/b/", "a\\b", "a\u0000b"])(
    "refuses the key %j",
    async (key) => {
      await expect(store.get(key)).rejects.toThrow("store key");
      await expect(store.putIfAbsent(key, body("x"))).rejects.toThrow("store key");
      await expect(store.writeRegister(key, Buffer.from("x"), undefined)).rejects.toThrow("store key");
    },
  );
}

describe("a directory as object store", () => {
  const root = join(scratch, "directory");
  contract(() => DirectoryObjectStore.open(root));

  it("leaves nothing in tmp/ behind", () => {
    expect(readdirSync(join(root, "tmp"))).toEqual([]);
  });

  it("sweeps half-written files and superseded register values, but neither fresh ones nor the present value", async () => {
    const store = await DirectoryObjectStore.open(join(scratch, "sweep"));
    const at = (...path: string[]) => join(scratch, "sweep", ...path);
    for (const content of ["1", "2", "3"]) {
      await store.writeRegister("c", Buffer.from(content), (await store.readRegister("c"))?.tag);
    }
    writeFileSync(at("tmp/old"), "half");
    writeFileSync(at("tmp/fresh"), "half");
    const past = new Date(Date.now() - 10_000);
    for (const path of [at("tmp/old"), ...["000000000001", "000000000003"].map((name) => at("cells/c", name))]) {
      utimesSync(path, past, past);
    }
    await store.sweep(5_000);
    expect(readdirSync(at("tmp"))).toEqual(["fresh"]);
    expect(readdirSync(at("cells/c")).sort()).toEqual(["000000000002", "000000000003"]);
    expect(text((await store.readRegister("c"))!.bytes)).toBe("3");
  });

  it("refuses symbolic links, wherever they lead", async () => {
    const store = await DirectoryObjectStore.open(join(scratch, "links"));
    const outside = join(scratch, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "secret"), "secret");
    symlinkSync(outside, join(scratch, "links/objects/models"));
    symlinkSync(join(outside, "secret"), join(scratch, "links/objects/file"));
    for (const key of ["models/secret", "file"]) {
      await expect(store.get(key)).rejects.toMatchObject({ code: "forbidden", reason: "SYMLINK_REFUSED" });
      await expect(store.delete(key)).rejects.toMatchObject({ reason: "SYMLINK_REFUSED" });
    }
    await expect(store.putIfAbsent("models/new", body("x"))).rejects.toMatchObject({ reason: "SYMLINK_REFUSED" });
    expect(readdirSync(outside)).toEqual(["secret"]);
  });
});

describe.skipIf(missing("an S3 server (versitygw or minio)", installedS3Server))(
  "an S3 service as object store",
  () => {
    let server: S3Server;
    beforeAll(async () => {
      server = await startS3Server();
    });
    afterAll(() => server.close());
    contract(() => S3ObjectStore.open(server.location));

    it("lists more objects than one page holds", async () => {
      const store = await S3ObjectStore.open({ ...server.location, prefix: "pages", pageSize: 3 });
      const names = Array.from({ length: 10 }, (_, i) => `many/${i}`);
      for (const name of names) await store.putIfAbsent(name, body("x"));
      expect(await keys(store, "many/")).toEqual(names.toSorted());
      await store.close();
    });

    it("says in its own words that the service refuses or is not there", async () => {
      const open = (change: Partial<S3Location>) => S3ObjectStore.open({ ...server.location, ...change });
      const credentials = { ...server.location.credentials!, secretAccessKey: "wrong" };
      await expect(open({ credentials })).rejects.toMatchObject({ code: "forbidden", reason: "STORE_FORBIDDEN" });
      await expect(open({ bucket: "nowhere" })).rejects.toThrow("the object storage answered NoSuchBucket");
      await expect(open({ endpoint: "http://127.0.0.1:1" })).rejects.toMatchObject({
        code: "unavailable",
        message: "the object storage cannot be reached",
      });
    });
  },
);
