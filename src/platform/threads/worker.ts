import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts a worker thread from a module of this project.
 *
 * @param entry  URL of the worker's module without its extension, as in `new URL("./session-thread", import.meta.url)`.
 *               The extension follows the caller's own: `.js` when built, `.ts` (compiled by tsx) in the test suite.
 * @param caller the caller's `import.meta.url`
 */
export function spawnWorker(entry: URL, caller: string, options: WorkerOptions = {}): Worker {
  if (!caller.endsWith(".ts")) return new Worker(new URL(`${entry.href}.js`), options);
  return new Worker(compiling(`${entry.href}.ts`, caller), options);
}

/** A module that first teaches the new thread to read TypeScript: `--import tsx` reaches only the main thread. */
function compiling(entry: string, caller: string): URL {
  // `require` finds the CommonJS twin, whose `register` does not work; the module that `import` would find lies next to it.
  const tsx = pathToFileURL(createRequire(caller).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(entry)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}
