import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { memoryLimitBytes } from "../memory-limit.ts";
import { sweepTemporaryDirectories } from "../temporary-directories.ts";
import { builtEntry } from "./built-entry.ts";
import type { HeapLimit, HostedThread, ThreadEnd, ThreadHost, ThreadStart } from "./hosted-thread.ts";
import { errorOf, type PlainError } from "./plain-error.ts";

// Runs a module on a thread of a child process of this program: whatever it does to its process is done to the child alone.

/** Memory of one child. */
export interface ProcessLimit extends HeapLimit {
  /** Resident memory of the whole child, native libraries included. */
  readonly memoryBytes: number;
}

/** Three quarters of the memory that this process may use: what a child gets by default. */
export function defaultProcessBytes(limitBytes: number = memoryLimitBytes()): number {
  return Math.floor((limitBytes * 3) / 4);
}

/** What a child is told, in this order: first `start`, then the others as they come. */
export type ToChild =
  | {
      readonly kind: "start";
      readonly entry: string;
      readonly caller: string;
      readonly request: unknown;
      readonly flags: number;
      readonly limit: ProcessLimit;
    }
  | { readonly kind: "post"; readonly message: unknown }
  | { readonly kind: "flag"; readonly index: number; readonly value: number };

/** What a child tells. `end` comes last, and does not come from a child that was killed. */
export type FromChild =
  | { readonly kind: "message"; readonly message: unknown }
  | { readonly kind: "end"; readonly end: ThreadEnd }
  /** The end of one that crashed; errors do not cross by themselves. */
  | { readonly kind: "crashed"; readonly error: PlainError };

/** Starts modules in child processes, one each, that end with this process however it ends. */
export function inProcess(limit: ProcessLimit): ThreadHost {
  return ({ entry, caller, request, flags = 0, onMessage }: ThreadStart): HostedThread => {
    const child = forkChild();
    const send = (message: ToChild) => {
      if (child.connected) child.send(message, () => {}); // one that is gone tells so by its end
    };
    let ending = false;
    const ended = endOf(child, onMessage, () => ending);
    send({ kind: "start", entry: entry.href, caller, request, flags, limit });
    return {
      post: (message) => send({ kind: "post", message }),
      setFlag: (index, value) => send({ kind: "flag", index, value }),
      end() {
        ending = true;
        child.kill("SIGKILL");
      },
      ended,
    };
  };
}

/** A new process with the child's module, which reads TypeScript where this one does. */
function forkChild(): ChildProcess {
  const here = import.meta.url;
  const entry = new URL("./thread-process-child", here);
  const compiled = here.endsWith(".ts") ? builtEntry(entry) : new URL(`${entry.href}.js`);
  const child = fileURLToPath(compiled ?? new URL(`${entry.href}.ts`));
  const tsx = () => pathToFileURL(createRequire(here).resolve("tsx")).href;
  return fork(child, [], {
    execArgv: compiled !== undefined ? [] : ["--import", tsx()],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

function endOf(child: ChildProcess, onMessage: ThreadStart["onMessage"], isEnding: () => boolean): Promise<ThreadEnd> {
  return new Promise((resolve) => {
    let told: ThreadEnd | undefined;
    child.on("message", (message: FromChild) => {
      if (message.kind === "message") onMessage(message.message);
      else if (message.kind === "end") told = message.end;
      else told = { kind: "crashed", error: errorOf(message.error) };
    });
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ kind: "crashed", error }); // it never began, and so will not exit
    });
    const exited = new Promise<ThreadEnd>((done) => {
      child.once("exit", (code, signal) => {
        const how = signal === null ? `with status ${code}` : `by ${signal}`;
        done(
          isEnding()
            ? { kind: "exited", code: code ?? 1 }
            : { kind: "killed", message: `its process was ended ${how}, as by the system when memory is short` },
        );
      });
    });
    const disconnected = new Promise<void>((done) => child.once("disconnect", done)); // after the last message
    void Promise.all([exited, disconnected]).then(async ([end]) => {
      // A process that is killed leaves its temporary files, as its number says whose they are.
      if (told === undefined) await sweepTemporaryDirectories().catch(() => []);
      resolve(told ?? end);
    });
  });
}
