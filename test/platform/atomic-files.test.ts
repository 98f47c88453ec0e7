import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createDirectoryAtomically, replaceFile, writeNewFile } from "../../src/platform/atomic-files.ts";
import { makeDirectory, syncDirectory } from "../../src/platform/directories.ts";

/** What happened on the disk, in order: `write`, `sync` and `close` of opened files, and `rename`. */
let done: string[] = [];
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return {
    ...real,
    async open(path: string, flags: string) {
      const handle = await real.open(path, flags);
      const note = (what: string) => done.push(`${what} ${basename(path).replace(/\.[0-9a-f]{12}\./, ".")}`);
      const { writeFile, sync, close } = handle;
      handle.writeFile = (...given) => {
        note("write");
        return writeFile.apply(handle, given);
      };
      handle.sync = () => {
        note("sync");
        return sync.call(handle);
      };
      handle.close = () => {
        note("close");
        return close.call(handle);
      };
      return handle;
    },
    async rename(from: string, to: string) {
      done.push(`rename ${basename(to)}`);
      await real.rename(from, to);
    },
  };
});

const root = mkdtempSync(join(tmpdir(), "albert-atomic-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  done = [];
});

describe("a durable write", () => {
  it("flushes a new file before it is closed, and refuses one that exists", async () => {
    await writeNewFile(join(root, "new"), Buffer.from("x"));
    expect(done).toEqual(["write new", "sync new", "close new"]);
    await expect(writeNewFile(join(root, "new"), Buffer.from("y"))).rejects.toMatchObject({ code: "EEXIST" });
    expect(readFileSync(join(root, "new"), "utf8")).toBe("x");
  });

  it("flushes a directory's entries", async () => {
    await syncDirectory(root);
    expect(done).toEqual([`sync ${basename(root)}`, `close ${basename(root)}`]);
  });

  it("replaces a file by one that is flushed before it gets the name, and flushes the name", async () => {
    await replaceFile(join(root, "small"), "old");
    done = [];
    await replaceFile(join(root, "small"), "new");
    const temporary = "small.writing";
    expect(done).toEqual([
      ...[`write ${temporary}`, `sync ${temporary}`, `close ${temporary}`, "rename small"],
      ...[`sync ${basename(root)}`, `close ${basename(root)}`],
    ]);
    expect(readFileSync(join(root, "small"), "utf8")).toBe("new");
  });

  it("makes a directory whose name is flushed, and those of its parents that are made", async () => {
    await makeDirectory(join(root, "one", "two"));
    expect(done.filter((what) => what.startsWith("sync"))).toEqual([`sync ${basename(root)}`, "sync one"]);
    done = [];
    await makeDirectory(join(root, "one", "two"));
    expect(done).toEqual([]);
  });

  it("shows a directory only when its entries are flushed, then flushes its own name", async () => {
    const path = join(root, "made", "directory");
    await createDirectoryAtomically(path, (temporary) => writeNewFile(join(temporary, "a"), Buffer.from("x")));
    expect(done.filter((what) => !what.startsWith("close"))).toEqual([
      `sync ${basename(root)}`, // the name of `made`
      ...["write a", "sync a", "sync .directory.partial", "rename directory", "sync made"],
    ]);
    const failing = createDirectoryAtomically(join(root, "never"), () => Promise.reject(new Error("full")));
    await expect(failing).rejects.toThrow("full");
    expect(existsSync(join(root, "never"))).toBe(false);
  });

  it("refuses what is there already before any work, also a mount point, and a path of nothing", async () => {
    const fill = vi.fn(async () => {});
    await writeNewFile(join(root, "entry"), Buffer.from("x"));
    for (const path of [root, "/proc", `${root}/.`]) {
      await expect(createDirectoryAtomically(path, fill)).rejects.toMatchObject({ reason: "DIRECTORY_EXISTS" });
    }
    await expect(createDirectoryAtomically("", fill)).rejects.toThrow(/expected the path of a directory/);
    expect(fill).not.toHaveBeenCalled();
  });
});
