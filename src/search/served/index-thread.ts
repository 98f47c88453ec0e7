import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { AlbertError } from "../../errors.ts";
import { SerialQueue } from "../../platform/serial-queue.ts";
import type { ThreadInput } from "../../platform/threads/hosted-thread.ts";
import { type PlainError, plainError } from "../../platform/threads/plain-error.ts";
import { readIndexFile } from "../index/index-file.ts";
import { type FoundPassage, type IndexSummary, SearchIndex } from "../index/search-index.ts";

// The entry point of the thread that holds one index: it reads and verifies the file, then searches, one query after the other.

/** Path of the file. */
export type IndexThreadRequest = string;

/** What the thread is told once it has said that it is open. */
export type ToIndexThread =
  | { readonly kind: "find"; readonly id: number; readonly vector: Float32Array; readonly count: number }
  /** Nobody waits for that answer any more. */
  | { readonly kind: "drop"; readonly id: number };

/** What the thread says. */
export type FromIndexThread =
  | { readonly kind: "opened"; readonly summary: IndexSummary }
  /** The file cannot be used; the thread ends. */
  | { readonly kind: "refused"; readonly error: Pick<AlbertError, "code" | "message" | "reason"> }
  | { readonly kind: "unreadable"; readonly error: PlainError }
  | {
      readonly kind: "found";
      readonly id: number;
      readonly passages: readonly FoundPassage[];
      /** Of this search alone. */
      readonly ms: number;
    }
  | { readonly kind: "failed"; readonly id: number; readonly error: PlainError };

/** Searches that somebody waits for. */
const wanted = new Set<number>();
const turns = new SerialQueue();
const DROPPED = new Error("nobody waits for this search");

const say = (message: FromIndexThread) => parentPort?.postMessage(message);

async function open(path: IndexThreadRequest): Promise<void> {
  try {
    const index = new SearchIndex(await readIndexFile(path));
    parentPort?.on("message", (message: ToIndexThread) => {
      if (message.kind === "drop") wanted.delete(message.id);
      else {
        wanted.add(message.id);
        void turns.run(() => find(index, message));
      }
    });
    say({ kind: "opened", summary: index.summary });
  } catch (error) {
    if (!(error instanceof AlbertError)) say({ kind: "unreadable", error: plainError(error) });
    else say({ kind: "refused", error: { code: error.code, message: error.message, reason: error.reason } });
  }
}

async function find(index: SearchIndex, { id, vector, count }: Extract<ToIndexThread, { kind: "find" }>) {
  const startedAt = performance.now();
  try {
    if (!wanted.has(id)) return;
    // Between two stretches of work the thread hears who went away.
    const passages = await index.find(vector, count, async () => {
      await nextTurn();
      if (!wanted.has(id)) throw DROPPED;
    });
    say({ kind: "found", id, passages, ms: performance.now() - startedAt });
  } catch (error) {
    if (error !== DROPPED) say({ kind: "failed", id, error: plainError(error) });
  } finally {
    wanted.delete(id);
  }
}

if (parentPort !== null) await open((workerData as ThreadInput<IndexThreadRequest>).request); // tests import such modules too
