import { parentPort, workerData } from "node:worker_threads";
import { AlbertError, invariant } from "../errors.ts";
import { spawnWorker } from "./worker.ts";

// Calls a module on a thread of its own, with one request and one answer.

/** A thread's one answer. An AlbertError crosses with all its fields, any other error as it is. */
type ThreadReply<Result> =
  | { readonly kind: "result"; readonly result: Result }
  | {
      readonly kind: "refused";
      readonly error: Pick<AlbertError, "code" | "message" | "reason" | "metadata" | "violations">;
    }
  | { readonly kind: "bug"; readonly error: unknown };

/** The only message that a thread gets after its request. */
const ABORT = "abort";

/**
 * Calls a module of this project on a thread of its own with one request. The thread ends with the answer.
 *
 * @param entry   URL of the module without its extension, as for `spawnWorker`; it must call `answerCall`
 * @param request anything that can be cloned
 * @param signal  aborts the module's own signal; the call is over when the thread has tidied up
 * @throws AlbertError as the module throws it; backend (THREAD_LOST) when the thread died; the signal's reason
 */
export function callThread<Request, Result>(
  entry: URL,
  caller: string,
  request: Request,
  signal?: AbortSignal,
): Promise<Result> {
  return new Promise((resolve, fail) => {
    signal?.throwIfAborted();
    const worker = spawnWorker(entry, caller, { workerData: request });
    const abort = () => worker.postMessage(ABORT);
    signal?.addEventListener("abort", abort, { once: true });
    worker.once("exit", () => signal?.removeEventListener("abort", abort));
    const reject = (error: unknown) => fail(signal?.aborted ? signal.reason : error);
    const lost = (cause: unknown) =>
      reject(new AlbertError("backend", "a thread of the server died over its work", { reason: "THREAD_LOST", cause }));
    worker.once("message", (reply: ThreadReply<Result>) => {
      if (reply.kind === "result") resolve(reply.result);
      else
        reject(
          reply.kind === "bug" ? reply.error : new AlbertError(reply.error.code, reply.error.message, reply.error),
        );
    });
    worker.once("error", lost);
    worker.once("exit", lost); // after an answer this rejection changes nothing
  });
}

/**
 * Answers the request that this thread was started with; does nothing on the main thread, where tests import such modules.
 *
 * @param answer  gets a signal too, which is aborted when the caller no longer waits
 */
export async function answerCall<Request, Result>(
  answer: (request: Request, signal: AbortSignal) => Promise<Result>,
): Promise<void> {
  if (parentPort === null) return;
  invariant(workerData !== undefined, "a thread was started without a request");
  const unwanted = new AbortController();
  parentPort.once("message", () => unwanted.abort()); // `callThread` sends nothing else
  parentPort.unref(); // and the listener does not keep the thread alive
  try {
    const result = await answer(workerData as Request, unwanted.signal); // `callThread` gave it
    parentPort.postMessage({ kind: "result", result } satisfies ThreadReply<Result>);
  } catch (error) {
    parentPort.postMessage(refusal(error));
  }
}

function refusal(error: unknown): ThreadReply<never> {
  if (!(error instanceof AlbertError)) return { kind: "bug", error };
  const { code, message, reason, metadata, violations } = error;
  return { kind: "refused", error: { code, message, reason, metadata, violations } };
}
