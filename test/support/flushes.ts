import { existsSync } from "node:fs";
import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { dirname } from "node:path";
import { vi } from "vitest";

/** What was written below a directory, and what of it a loss of power could undo. */
export interface Flushes {
  /** How many files and directories were flushed. */
  readonly count: () => number;
  /**
   * Ends the watch.
   *
   * @returns what was not flushed: `content of <file>`, `name of <file or directory>`, `removal of <file>`, and `content of <file>, before
   *   it got its name` for what appeared too early. Paths are relative to the directory.
   */
  readonly stop: () => string[];
}

const prototype = Object.getPrototypeOf(
  await promises.open(import.meta.filename).then((handle) => handle.close().then(() => handle)),
);

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>;

/** Watches which of the files, and of their names in directories, are flushed to the disk. */
export function watchFlushes(below: string): Flushes {
  let flushed = 0;
  const paths = new WeakMap<object, string>();
  /** Files whose content, and files and directories whose name, the disk may not hold yet. */
  const contents = new Set<string>();
  const names = new Set<string>();
  /** Files that may come back. */
  const removed = new Set<string>();
  const early: string[] = [];
  const within = (path: string) => path.startsWith(below);
  const flush = (path: string) => {
    flushed++;
    contents.delete(path);
    for (const set of [names, removed]) for (const name of set) if (dirname(name) === path) set.delete(name);
  };
  /** A file or directory, with all below it, is found under another name from now on. */
  const move = (from: string, to: string) => {
    if (contents.has(from)) early.push(`content of ${to}, before it got its name`);
    for (const set of [contents, names]) {
      for (const path of [...set]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        set.delete(path);
        set.add(to + path.slice(from.length));
      }
    }
    names.add(to);
  };
  const onPath = (
    name: "link" | "mkdir" | "open" | "rename" | "unlink" | "writeFile",
    note: (args: unknown[]) => void,
  ) => {
    const real = promises[name] as unknown as Call;
    vi.spyOn(promises, name).mockImplementation((async (...args: unknown[]) => {
      const path = String(args[0]);
      const isNew = within(path) && !existsSync(path);
      const result = await real(...args);
      if (!within(path)) return result;
      if (name === "open") paths.set(result as FileHandle, path);
      if (isNew || name === "link" || name === "rename" || name === "unlink") note(args);
      return result;
    }) as never);
  };
  const created = ([path]: unknown[]) => void names.add(String(path));
  onPath("open", created);
  onPath("mkdir", created);
  onPath("writeFile", (args) => {
    created(args);
    contents.add(String(args[0]));
  });
  onPath("unlink", ([path]) => void removed.add(String(path)));
  onPath("rename", ([from, to]) => move(String(from), String(to)));
  onPath("link", ([from, to]) => {
    if (contents.has(String(from))) early.push(`content of ${to}, before it got its name`);
    names.add(String(to));
  });
  for (const name of ["write", "writeFile", "appendFile", "truncate", "sync", "datasync"] as const) {
    const real = prototype[name] as Call;
    vi.spyOn(prototype, name).mockImplementation(async function (this: object, ...args: unknown[]) {
      const path = paths.get(this);
      if (path !== undefined && !name.endsWith("sync")) contents.add(path);
      const result = await real.apply(this, args);
      if (path !== undefined && name.endsWith("sync")) flush(path);
      return result;
    } as never);
  }
  syncBuiltinESMExports();
  return {
    count: () => flushed,
    stop() {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
      const left = (paths: Set<string>, what: string) => [...paths].filter(existsSync).map((path) => `${what} ${path}`);
      const gone = [...removed].filter((path) => !existsSync(path)).map((path) => `removal of ${path}`);
      const all = [...early, ...left(contents, "content of"), ...left(names, "name of"), ...gone];
      return all.map((line) => line.replace(`${below}/`, "")).sort();
    },
  };
}
