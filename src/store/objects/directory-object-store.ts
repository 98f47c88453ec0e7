import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { copyFile, link, lstat, mkdir, open, readdir, readFile, realpath, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { makeDirectory, syncDirectory } from "../../platform/directories.ts";
import { checkKey } from "../names.ts";
import {
  bytesBody,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  type RegisterInfo,
  readBody,
  type VersionedRegister,
} from "./object-store.ts";

/**
 * Keeps objects as files below one directory, for one or many processes of one file system:
 *
 *     objects/<key>          an object, read-only
 *     cells/<key>/<number>   a register's values so far; the highest number is the present one
 *     tmp/                   files being written
 *
 * A file is written in `tmp/`, flushed, and given its name with `link`, which fails when the name is taken: that makes
 * both put-if-absent and compare-and-swap atomic between processes without a lock that a killed process could leave.
 */
export class DirectoryObjectStore implements ObjectStore {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens the directory, making it when it does not exist. */
  static async open(directory: string): Promise<DirectoryObjectStore> {
    for (const part of ["objects", "cells", "tmp"]) await makeDirectory(join(directory, part));
    return new DirectoryObjectStore(await realpath(directory));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const path = await this.#path("objects", key);
    return absentAs(undefined, () => readFile(path));
  }

  async fetch(key: string, path: string): Promise<boolean> {
    const source = await this.#path("objects", key);
    return absentAs(false, async () => {
      await linkOrCopy(source, path);
      return true;
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const info = await this.#stat(await this.#path("objects", key));
    return info === undefined ? undefined : { key, size: info.size };
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return this.#writeNew(await this.#path("objects", key), body);
  }

  async delete(key: string): Promise<void> {
    const path = await this.#path("objects", key);
    await absentAs(undefined, async () => {
      await unlink(path);
      await syncDirectory(dirname(path));
    });
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const complete = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for await (const { key, info } of this.#walk("objects", complete.replace(/\/$/, ""))) {
      if (key.startsWith(prefix)) yield { key, size: info.size };
    }
  }

  async readRegister(key: string): Promise<VersionedRegister | undefined> {
    const directory = await this.#path("cells", key);
    for (;;) {
      const latest = await latestNumber(directory);
      if (latest === 0) return undefined;
      const bytes = await absentAs(undefined, () => readFile(join(directory, numberName(latest))));
      if (bytes !== undefined) return { bytes, tag: String(latest) }; // else it was superseded and swept in between
    }
  }

  async writeRegister(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean> {
    const directory = await this.#path("cells", key);
    return this.#writeNew(join(directory, numberName(Number(tag ?? 0) + 1)), bytesBody(bytes));
  }

  async *listRegisters(prefix: string): AsyncIterable<RegisterInfo> {
    yield* this.#registers(prefix.replace(/\/$/, ""));
  }

  async *#registers(key: string): AsyncGenerator<RegisterInfo> {
    const directory = await this.#path("cells", key);
    const entries = await absentAs([], () => readdir(directory, { withFileTypes: true }));
    const latest = highestOf(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
    if (latest > 0) yield { key, tag: String(latest) };
    for (const entry of entries) if (entry.isDirectory()) yield* this.#registers(`${key}/${entry.name}`);
  }

  async sweep(olderThanMs: number): Promise<void> {
    const before = Date.now() - olderThanMs;
    for (const name of await readdir(join(this.#root, "tmp"))) {
      const path = join(this.#root, "tmp", name);
      if (((await this.#stat(path))?.mtimeMs ?? before) < before) await rm(path, { force: true });
    }
    const values = new Map<string, { name: string; old: boolean }[]>();
    for await (const { key, info } of this.#walk("cells", "")) {
      const register = dirname(key);
      values.set(register, [...(values.get(register) ?? []), { name: key, old: info.mtimeMs < before }]);
    }
    for (const numbered of values.values()) {
      const superseded = numbered.toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, -1);
      for (const { name, old } of superseded) if (old) await rm(join(this.#root, "cells", name), { force: true });
    }
  }

  async close(): Promise<void> {}

  /** Writes a file that must not exist, so that it appears whole or not at all. */
  async #writeNew(path: string, body: ObjectBody): Promise<boolean> {
    const temporary = join(this.#root, "tmp", randomBytes(12).toString("hex"));
    try {
      const handle = await open(temporary, "wx", 0o444);
      try {
        for await (const chunk of body.chunks()) await handle.writeFile(chunk);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await this.#makeDirectory(dirname(path));
      await link(temporary, path);
      await syncDirectory(dirname(path));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return this.#holdsSame(path, body);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #holdsSame(path: string, body: ObjectBody): Promise<boolean> {
    const info = await this.#stat(path);
    if (info?.size !== body.size) return false;
    return (await readFile(path)).equals(await readBody(body));
  }

  async #makeDirectory(path: string): Promise<void> {
    if ((await this.#stat(path)) !== undefined) return;
    await this.#makeDirectory(dirname(path));
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    await syncDirectory(dirname(path));
  }

  /** Where a key lies. A symbolic link anywhere on the way is refused: it could lead out of the store. */
  async #path(kind: "objects" | "cells", key: string): Promise<string> {
    checkKey(key);
    let path = join(this.#root, kind);
    for (const part of key.split("/")) {
      path = join(path, part);
      const info = await absentAs(undefined, () => lstat(path));
      if (info?.isSymbolicLink()) {
        throw new AlbertError("forbidden", `the store's ${key} is a symbolic link`, { reason: "SYMLINK_REFUSED" });
      }
    }
    return path;
  }

  async #stat(path: string): Promise<Stats | undefined> {
    return absentAs(undefined, () => stat(path));
  }

  async *#walk(kind: "objects" | "cells", below: string): AsyncGenerator<{ key: string; info: Stats }> {
    const directory = join(this.#root, kind, below);
    for (const entry of await absentAs([], () => readdir(directory, { withFileTypes: true }))) {
      const key = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) yield* this.#walk(kind, key);
      else if (entry.isFile()) {
        const info = await this.#stat(join(directory, entry.name));
        if (info !== undefined) yield { key, info };
      }
    }
  }
}

/** Highest number among a register's values; 0 when there is none. */
async function latestNumber(directory: string): Promise<number> {
  return highestOf(await absentAs([], () => readdir(directory)));
}

function highestOf(names: readonly string[]): number {
  return names.filter((name) => /^\d+$/.test(name)).reduce((highest, name) => Math.max(highest, Number(name)), 0);
}

/** Numbers as names that sort like numbers. */
function numberName(number: number): string {
  return String(number).padStart(12, "0");
}

/** A second name for the same bytes where the file system allows it, else a copy. */
async function linkOrCopy(source: string, path: string): Promise<void> {
  try {
    await link(source, path);
  } catch (error) {
    if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

/** `otherwise` when a file or directory does not exist. */
async function absentAs<T, U>(otherwise: U, run: () => Promise<T>): Promise<T | U> {
  try {
    return await run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return otherwise;
    throw error;
  }
}
