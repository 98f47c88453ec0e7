import { rm } from "node:fs/promises";
import { AlbertError } from "../../errors.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import {
  defaultHeapBytes,
  type HostedThread,
  inThread,
  type ThreadEnd,
  type ThreadHost,
} from "../../platform/threads/hosted-thread.ts";
import { workTooLarge } from "../../platform/threads/worker-rpc.ts";
import type { Job } from "../job.ts";
import type { JobOutcome, JobPlan } from "../job-outcome.ts";
import type { JobHooks, JobRun, JobRunner } from "../job-runner.ts";
import type { JobSpec } from "../job-spec.ts";
import { rejectionOf } from "./job-failures.ts";
import type { ResolvedSpec, ResolveSpec } from "./resolved-spec.ts";
import { FLAG_COUNT, FLAGS, type ThreadMessage, type ThreadTask } from "./thread-messages.ts";

// Runs jobs on threads, here or in child processes, and turns how a thread ended into how its job did.

export interface RunnerOptions {
  /** Whether jobs yield to other threads, such as those that serve. */
  readonly background?: boolean;
  /** Where a job's thread runs, and the memory it may use; default: in this process. */
  readonly host?: ThreadHost;
}

/**
 * Does every job on a worker thread of its own, with its own ONNX Runtime threads; the thread ends with the job. A thread that
 * needs more memory than it may use costs its job only; so does, in a child process, whatever ends that process.
 */
export class ThreadJobRunner implements JobRunner {
  readonly #resolve: ResolveSpec;
  readonly #background: boolean;
  readonly #host: ThreadHost;
  readonly #planning = new Set<Thread<JobPlan>>();
  #closed = false;

  constructor(
    resolve: ResolveSpec,
    { background = false, host = inThread({ heapBytes: defaultHeapBytes() }) }: RunnerOptions = {},
  ) {
    this.#resolve = resolve;
    this.#background = background;
    this.#host = host;
  }

  start(job: Job, directory: string, hooks: JobHooks): JobRun {
    let thread: Thread<JobOutcome> | undefined;
    let validated = false;
    let stopped = false;
    let ended = false;
    let yielding = false;
    const work = async (): Promise<JobOutcome> => {
      let resolved: ResolvedSpec;
      try {
        const { id: jobId, spec, startVersion, teacherVersion, runningMs: spentMs, judged } = job;
        const found = await this.#resolve({
          ...spec,
          ...(startVersion === "" ? {} : { init: startVersion }),
          ...(teacherVersion === undefined ? {} : { teacher: teacherVersion }),
        });
        resolved = { ...found, jobId, spec, directory, spentMs, judgedBefore: judged.length };
        if (startVersion === "" && found.startVersion !== undefined) await hooks.startChosen(found.startVersion);
        if (teacherVersion === undefined && found.teacherVersion !== undefined) {
          await hooks.teacherChosen(found.teacherVersion);
        }
      } catch (error) {
        return rejectionOf(error);
      }
      if (stopped) return { kind: "stopped" };
      thread = this.#startThread({ resolved, mode: "work", background: this.#background }, (message) => {
        switch (message.kind) {
          case "phase":
            validated = true;
            hooks.phase(message.phase);
            return undefined;
          case "activity":
            hooks.activity(message.text);
            return undefined;
          case "planned":
            hooks.planned(message.plan);
            return undefined;
          case "event":
            hooks.event(message.event);
            return undefined;
          case "yielded":
            hooks.yielded(message.milliseconds);
            return undefined;
          case "outcome":
            return message.outcome;
          case "plan":
            return undefined;
        }
      });
      thread.setFlag(FLAGS.yield, yielding);
      const end = await thread.result;
      return end.kind === "result" ? end.value : outcomeOf(end, ended);
    };
    return {
      done: work(),
      stop() {
        stopped = true;
        thread?.setFlag(FLAGS.stop, true);
        if (validated || thread === undefined) return;
        // Before its data has been checked, the job has made nothing that must be kept.
        ended = true;
        thread.end();
      },
      setYield(now) {
        if (now === yielding) return;
        yielding = now;
        thread?.setFlag(FLAGS.yield, now);
      },
    };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    const directory = await makeTemporaryDirectory("plan");
    let thread: Thread<JobPlan> | undefined;
    try {
      const resolved = { ...(await this.#resolve(spec)), jobId: "", spec, directory };
      if (this.#closed) throw shuttingDown();
      thread = this.#startThread({ resolved, mode: "plan", background: this.#background }, (message) =>
        message.kind === "plan" ? message.plan : undefined,
      );
      this.#planning.add(thread);
      const end = await thread.result;
      if (end.kind === "result") return end.value;
      if (this.#closed) throw shuttingDown();
      if (end.kind === "out-of-memory") throw workTooLarge(`the job could not be planned: ${end.message}`);
      throw lost(end);
    } finally {
      if (thread !== undefined) this.#planning.delete(thread);
      await rm(directory, { recursive: true, force: true });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const planning = [...this.#planning];
    for (const thread of planning) thread.end();
    await Promise.allSettled(planning.map(({ result }) => result));
  }

  /** Runs a thread to its result: the last message of which `read` makes something. */
  #startThread<Result>(task: ThreadTask, read: (message: ThreadMessage) => Result | undefined): Thread<Result> {
    let found: { readonly kind: "result"; readonly value: Result } | undefined;
    const thread: HostedThread = this.#host({
      entry: new URL("./job-thread", import.meta.url),
      caller: import.meta.url,
      request: task,
      flags: FLAG_COUNT,
      onMessage(message) {
        const value = read(message as ThreadMessage); // `job-thread.ts` sends nothing else
        if (value !== undefined) found = { kind: "result", value };
      },
    });
    return {
      result: thread.ended.then((end) => found ?? end),
      setFlag(flag, on) {
        thread.setFlag(flag, on ? 1 : 0);
      },
      end: () => thread.end(),
    };
  }
}

/** A thread at work. */
interface Thread<Result> {
  /** How it ended where it had no result. */
  readonly result: Promise<{ readonly kind: "result"; readonly value: Result } | ThreadEnd>;
  setFlag(flag: number, on: boolean): void;
  /** Ends it at once, whatever it does. */
  end(): void;
}

/** What a thread's end without a result means for its job. @param ended  whether it was told to end at once */
function outcomeOf(end: ThreadEnd, ended: boolean): JobOutcome {
  if (ended) return { kind: "stopped" };
  if (end.kind === "out-of-memory") return { kind: "failed", reason: "OUT_OF_MEMORY", message: end.message };
  if (end.kind === "killed") return { kind: "killed", message: end.message };
  throw lost(end);
}

function lost(end: ThreadEnd): unknown {
  if (end.kind === "crashed") return end.error;
  const how = end.kind === "exited" ? `ended with ${end.code} and without a result` : end.message;
  return new AlbertError("backend", `the job's thread was lost: ${how}`, { reason: "WORKER_LOST" });
}

function shuttingDown(): AlbertError {
  return new AlbertError("unavailable", "the server is shutting down", { reason: "SHUTTING_DOWN" });
}
