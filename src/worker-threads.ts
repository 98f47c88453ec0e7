import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts a worker thread from a module of this project.
 *
 * @param entry  URL of the worker's module without its extension, as in `new URL("./session-worker", import.meta.url)`.
 *               The extension follows the caller's own: `.js` when built, `.ts` (loaded through tsx) in the test suite.
 * @param caller the caller's `import.meta.url`
 */
export function spawnWorker(entry: URL, caller: string, options: WorkerOptions = {}): Worker {
  const fromSource = caller.endsWith(".ts");
  const execArgv = [...(options.execArgv ?? []), ...(fromSource ? ["--import", "tsx"] : [])];
  return new Worker(new URL(`${entry.href}${fromSource ? ".ts" : ".js"}`), { ...options, execArgv });
}
