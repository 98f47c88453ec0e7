import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { isMainThread, Worker, type WorkerOptions } from "node:worker_threads";
import { builtEntry } from "./built-entry.ts";
import { awaitOutside, type NativeCells, stopNativeCalls, withCells } from "./native-calls.ts";

// Threads of this program: started from its modules, and ended where that harms nothing else.

/** Between two looks at a thread that is to end when its native call has returned. */
const LOOK_MS = 5;
/** For native calls that are under way when this process ends. */
const EXIT_MS = 1000;

/** The threads that live, and by what their native calls are seen. */
const living = new Map<Worker, NativeCells>();

/**
 * Starts a worker thread from a module of this project. End it by `endThread` only.
 *
 * @param entry  URL of the worker's module without its extension, as in `new URL("./session-thread", import.meta.url)`.
 *               The extension follows the caller's own: `.js` when built, `.ts` in the test suite.
 * @param caller the caller's `import.meta.url`
 */
export function spawnWorker(entry: URL, caller: string, options: WorkerOptions = {}): Worker {
  const url = caller.endsWith(".ts")
    ? (builtEntry(entry) ?? compiling(`${entry.href}.ts`, caller))
    : new URL(`${entry.href}.js`);
  const { started: worker, cells } = withCells(() => new Worker(url, options));
  if (living.size === 0) process.once("exit", endAll);
  living.set(worker, cells);
  worker.once("exit", () => {
    living.delete(worker);
    if (living.size === 0) process.removeListener("exit", endAll);
  });
  return worker;
}

/**
 * Ends a thread at once, or when the native call that it is inside has returned, if ever.
 *
 * @returns when it has ended
 */
export async function endThread(worker: Worker): Promise<void> {
  const cells = living.get(worker);
  if (cells !== undefined && !stopNativeCalls(cells)) {
    await new Promise<void>((outside) => {
      const look = setInterval(() => {
        if (living.has(worker) && !stopNativeCalls(cells)) return;
        clearInterval(look);
        outside();
      }, LOOK_MS).unref();
    });
  }
  await worker.terminate();
}

/**
 * Waits, as the process or this thread ends, until no thread is inside a native call: the runtime ends them all next. Where one
 * does not come out, the process that ends is killed, since the runtime would wait for it forever. A thread that ends waits for as
 * long as it takes: the process is not its own.
 */
function endAll(): void {
  const all = [...living.values()];
  for (const cells of all) stopNativeCalls(cells);
  const until = isMainThread ? performance.now() + EXIT_MS : Number.POSITIVE_INFINITY;
  const left = all.filter((cells) => !awaitOutside(cells, until - performance.now()));
  if (left.length > 0) process.kill(process.pid, "SIGKILL");
}

/** A module that first teaches the new thread to read TypeScript: `--import tsx` reaches only the main thread. */
function compiling(entry: string, caller: string): URL {
  // `require` finds the CommonJS twin, whose `register` does not work; the module that `import` would find lies next to it.
  const tsx = pathToFileURL(createRequire(caller).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(entry)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}
