import fs from "node:fs";
import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";
import { vi } from "vitest";

/**
 * How the file system fails:
 *
 *     EIO      the call does nothing
 *     lost     the call does its work, and reports EIO all the same
 *     ENOSPC   a call that writes does nothing, for want of room
 *     short    a call that writes takes half of what it was given, and then finds no room
 */
export type FileFault = "EIO" | "lost" | "ENOSPC" | "short" | "EMFILE";

/** Calls of `node:fs/promises` that take a path first. */
const PATH_CALLS = ["access", "copyFile", "link", "lstat", "mkdir", "mkdtemp", "open", "readdir", "readFile"] as const;
const MORE_PATH_CALLS = [
  "realpath",
  "rename",
  "rm",
  "stat",
  "statfs",
  "unlink",
  "utimes",
  "writeFile",
  "appendFile",
] as const;
const HANDLE_CALLS = [
  "appendFile",
  "datasync",
  "read",
  "readFile",
  "stat",
  "sync",
  "truncate",
  "write",
  "writeFile",
] as const;
const WRITES: ReadonlySet<string> = new Set([
  "appendFile",
  "copyFile",
  "link",
  "mkdir",
  "mkdtemp",
  "open",
  "rename",
  "sync",
  "datasync",
  "write",
  "writeFile",
]);
const CONTENT: ReadonlySet<string> = new Set(["appendFile", "write", "writeFile"]);
const OPENS: ReadonlySet<string> = new Set(["open", "readdir", "readFile", "writeFile", "appendFile"]);

const prototype = Object.getPrototypeOf(
  await promises.open(import.meta.filename).then((handle) => handle.close().then(() => handle)),
);

/** Calls below a directory that were made since it began to fail. */
export interface Failing {
  readonly calls: () => number;
  /** What failed. */
  readonly failed: () => string;
  /** Ends all faults. */
  readonly stop: () => void;
}

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>;

/** Lets the k-th call on files below a directory fail, of all calls, or of those that write where only they can fail so. */
export function failAt(k: number, fault: FileFault, below: string): Failing {
  let calls = 0;
  let failed = "none";
  const ours = new WeakSet<object>();
  const of = (name: string) =>
    (fault === "ENOSPC" ? WRITES : fault === "short" ? CONTENT : fault === "EMFILE" ? OPENS : undefined)?.has(name) ??
    true;
  const through = async (name: string, what: string, run: (half: boolean) => Promise<unknown>): Promise<unknown> => {
    if (!of(name) || ++calls !== k) return run(false);
    failed = `${name} ${what}`;
    if (fault === "short" && name === "write") return run(true); // as the system may: the caller has to go on
    if (fault === "lost" || fault === "short" || name === "close") await run(fault === "short");
    const code = fault === "short" ? "ENOSPC" : fault === "lost" ? "EIO" : fault;
    throw Object.assign(new Error(`${code}: injected, ${name} ${what}`), { code, syscall: name });
  };
  const watch = (handle: FileHandle) => {
    ours.add(handle);
    const close = handle.close.bind(handle); // every handle has its own
    handle.close = () => through("close", "of an open file", close) as Promise<void>;
  };
  for (const name of [...PATH_CALLS, ...MORE_PATH_CALLS]) {
    const real = promises[name] as unknown as Call;
    vi.spyOn(promises, name).mockImplementation((async (...args: unknown[]) => {
      const path = String(args[0]);
      if (!path.startsWith(below)) return real(...args);
      const result = await through(name, path, (half) => real(...(half ? halved(args, 1) : args)));
      if (name === "open") watch(result as FileHandle);
      return result;
    }) as never);
  }
  for (const name of HANDLE_CALLS) {
    const real = prototype[name] as Call;
    vi.spyOn(prototype, name).mockImplementation(function (this: object, ...args: unknown[]) {
      if (!ours.has(this)) return real.apply(this, args);
      return through(name, "of an open file", (half) => real.apply(this, half ? halved(args, 0) : args));
    } as never);
  }
  // Streams open and read files by callbacks.
  const streams = new Set<unknown>();
  for (const name of ["open", "read"] as const) {
    const real = fs[name] as (...args: unknown[]) => void;
    const promised = promisify(real) as Call;
    vi.spyOn(fs, name).mockImplementation(((...args: unknown[]) => {
      if (name === "open" ? !String(args[0]).startsWith(below) : !streams.has(args[0])) return real(...args);
      const done = args.pop() as (error: unknown, ...results: unknown[]) => void;
      through(name, "of a stream", () => promised(...args)).then((result) => {
        if (name === "open") streams.add(result);
        done(null, name === "read" ? (result as { bytesRead: number }).bytesRead : result, args[1]);
      }, done);
    }) as never);
  }
  syncBuiltinESMExports();
  return {
    calls: () => calls,
    failed: () => failed,
    stop() {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    },
  };
}

/** The arguments of a call that writes, with half of the bytes. */
function halved(args: readonly unknown[], at: number): unknown[] {
  if (typeof args[2] === "number") return args.with(2, args[2] >> 1);
  const bytes = Buffer.from(args[at] as Uint8Array);
  return [...args.slice(0, at), bytes.subarray(0, bytes.length >> 1), ...args.slice(at + 1)];
}
