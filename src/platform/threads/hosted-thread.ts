import type { Worker } from "node:worker_threads";
import { memoryLimitBytes } from "../memory-limit.ts";
import { endThread, spawnWorker } from "./worker.ts";

// A module at work on a thread with a bound on its memory, in this process or, by `thread-process.ts`, in a child process.

/** A module to run, and what it is given: its `workerData` is a `ThreadInput`. */
export interface ThreadStart {
  /** URL of the module without its extension, as for `spawnWorker`. */
  readonly entry: URL;
  /** The caller's `import.meta.url`. */
  readonly caller: string;
  /** Anything that can be cloned. */
  readonly request: unknown;
  /** How many shared flags it has; default none. */
  readonly flags?: number;
  /** Receives what the module posts, all of it before `ended` resolves. */
  readonly onMessage: (message: unknown) => void;
}

/** What a hosted module finds as its `workerData`. */
export interface ThreadInput<Request = unknown> {
  readonly request: Request;
  /** 0 until the other side sets them. In shared memory, because a thread that computes reads no messages. */
  readonly flags: Int32Array<SharedArrayBuffer>;
}

/** A module at work. */
export interface HostedThread {
  post(message: unknown): void;
  /** Sets a shared flag, and wakes what waits for it. */
  setFlag(index: number, value: number): void;
  /** Ends it at once, whatever it does. */
  end(): void;
  /** How it ended. Never rejects. */
  readonly ended: Promise<ThreadEnd>;
}

/** How a hosted module ended. */
export type ThreadEnd =
  /** By itself, or because it was told to. */
  | { readonly kind: "exited"; readonly code: number }
  /** By an error that it did not catch, or could not be started. */
  | { readonly kind: "crashed"; readonly error: unknown }
  /** It needed more memory than it may have. */
  | { readonly kind: "out-of-memory"; readonly message: string }
  /** Its process was killed, as by the system when memory is short. */
  | { readonly kind: "killed"; readonly message: string };

/** Starts modules somewhere. */
export type ThreadHost = (start: ThreadStart) => HostedThread;

/** Heap that a thread may use for JavaScript values; buffers and the memory of native libraries are not counted. */
export interface HeapLimit {
  readonly heapBytes: number;
}

/** Heap of threads that read one model or text at a time. */
export const SMALL_HEAP: HeapLimit = { heapBytes: 1 << 30 };

const LARGEST_HEAP_BYTES = 4 * 2 ** 30;
const SMALLEST_HEAP_BYTES = 512 << 20;

/** Half of the memory that this process may use, from 512 MiB to 4 GiB: what a job, a validation or a gate gets by default. */
export function defaultHeapBytes(limitBytes: number = memoryLimitBytes()): number {
  return Math.max(SMALLEST_HEAP_BYTES, Math.min(LARGEST_HEAP_BYTES, Math.floor(limitBytes / 2)));
}

/** The heap limit in the terms of `node:worker_threads`. */
export function resourceLimits({ heapBytes }: HeapLimit): { readonly maxOldGenerationSizeMb: number } {
  return { maxOldGenerationSizeMb: Math.ceil(heapBytes / 2 ** 20) };
}

/** Whether a thread's error says that it reached its heap limit. */
export function isHeapExhausted(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
}

/** Starts modules on threads of this process. One that reaches its heap limit ends, and nothing else does. */
export function inThread(limit: HeapLimit): ThreadHost {
  return ({ entry, caller, request, flags: count = 0, onMessage }) => {
    const flags = new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
    const worker = spawnWorker(entry, caller, {
      workerData: { request, flags } satisfies ThreadInput,
      resourceLimits: resourceLimits(limit),
    });
    worker.on("message", onMessage);
    return {
      post: (message) => worker.postMessage(message),
      setFlag(index, value) {
        Atomics.store(flags, index, value);
        Atomics.notify(flags, index);
      },
      end: () => void endThread(worker),
      ended: endOf(worker, limit),
    };
  };
}

function endOf(worker: Worker, { heapBytes }: HeapLimit): Promise<ThreadEnd> {
  return new Promise((resolve) => {
    let crash: { readonly error: unknown } | undefined;
    worker.on("error", (error) => {
      crash = { error };
    });
    worker.on("exit", (code) => {
      if (crash === undefined) resolve({ kind: "exited", code });
      else if (!isHeapExhausted(crash.error)) resolve({ kind: "crashed", ...crash });
      else {
        const message = `it needed more than ${Math.round(heapBytes / 1e6)} MB of heap, the most that it may use (jobs.heap_bytes)`;
        resolve({ kind: "out-of-memory", message });
      }
    });
  });
}
