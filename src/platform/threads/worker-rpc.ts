import { parentPort, workerData } from "node:worker_threads";
import { AlbertError, invariant } from "../../errors.ts";
import { inThread, SMALL_HEAP, type ThreadEnd, type ThreadHost, type ThreadInput } from "./hosted-thread.ts";
import { errorOf, type PlainError, plainError } from "./plain-error.ts";

// Calls a module on a thread of its own, with one request and one answer.

/** A thread's one answer. An AlbertError crosses with all its fields, any other error with its name, message and stack. */
export type ThreadReply<Result> =
  | { readonly kind: "result"; readonly result: Result }
  | {
      readonly kind: "refused";
      readonly error: Pick<AlbertError, "code" | "message" | "reason" | "metadata" | "violations">;
    }
  | { readonly kind: "bug"; readonly error: PlainError };

/** The only message that a thread gets after its request. */
const ABORT = "abort";

/**
 * Calls a module of this project on a thread of its own with one request. The thread ends with the answer.
 *
 * @param entry   URL of the module without its extension, as for `spawnWorker`; it must call `answerCall`
 * @param request anything that can be cloned
 * @param signal  aborts the module's own signal; the call is over when the thread has tidied up
 * @param host    where the thread runs, and the memory it may use; default: here, with a small heap
 * @throws AlbertError as the module throws it; too-large (WORK_TOO_LARGE) when it needed more memory than it may use; backend
 *   (THREAD_LOST) when the thread died; the signal's reason
 */
export async function callThread<Request, Result>(
  entry: URL,
  caller: string,
  request: Request,
  signal?: AbortSignal,
  host: ThreadHost = inThread(SMALL_HEAP),
): Promise<Result> {
  signal?.throwIfAborted();
  let answer = (_: ThreadReply<Result>) => {};
  const answered = new Promise<ThreadReply<Result>>((resolve) => {
    answer = resolve;
  });
  const onMessage = (message: unknown) => answer(message as ThreadReply<Result>); // `answerCall` sends nothing else
  const thread = host({ entry, caller, request, onMessage });
  const abort = () => thread.post(ABORT);
  signal?.addEventListener("abort", abort, { once: true });
  void thread.ended.then(() => signal?.removeEventListener("abort", abort));
  // All messages come before the end.
  const reply = await Promise.race([answered, thread.ended]);
  if (reply.kind === "result") return reply.result;
  if (signal?.aborted) throw signal.reason;
  throw errorFrom(reply);
}

/** The error of a call whose thread refused or failed, or ended without an answer. */
export function errorFrom(end: Exclude<ThreadReply<never>, { kind: "result" }> | ThreadEnd): Error {
  switch (end.kind) {
    case "refused":
      return new AlbertError(end.error.code, end.error.message, end.error);
    case "bug":
      return errorOf(end.error);
    case "out-of-memory":
      return workTooLarge(`the work was given up: ${end.message}`);
    case "exited":
      return lost(undefined);
    case "crashed":
      return lost(end.error);
    case "killed":
      return lost(new Error(end.message));
  }
}

function lost(cause: unknown): AlbertError {
  return new AlbertError("backend", "a thread of the server died over its work", { reason: "THREAD_LOST", cause });
}

/** Of work that needs more memory than a thread may use. */
export function workTooLarge(message: string): AlbertError {
  return new AlbertError("too-large", message, { reason: "WORK_TOO_LARGE" });
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
    const { request } = workerData as ThreadInput<Request>; // `callThread` gave it
    const result = await answer(request, unwanted.signal);
    parentPort.postMessage({ kind: "result", result } satisfies ThreadReply<Result>);
  } catch (error) {
    parentPort.postMessage(refusal(error));
  }
}

/** The answer of a thread whose work threw. */
export function refusal(error: unknown): ThreadReply<never> {
  if (!(error instanceof AlbertError)) return { kind: "bug", error: plainError(error) };
  const { code, message, reason, metadata, violations } = error;
  return { kind: "refused", error: { code, message, reason, metadata, violations } };
}
