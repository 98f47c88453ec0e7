import { rm } from "node:fs/promises";
import { AlbertError } from "../../errors.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import { spawnWorker } from "../../platform/worker.ts";
import type { Job } from "../job.ts";
import type { JobOutcome, JobPlan } from "../job-outcome.ts";
import type { JobHooks, JobRun, JobRunner } from "../job-runner.ts";
import type { JobSpec } from "../job-spec.ts";
import { rejectionOf } from "./job-failures.ts";
import type { ResolvedSpec, ResolveSpec } from "./resolved-spec.ts";
import { FLAGS, type ThreadMessage, type ThreadTask } from "./thread-messages.ts";

/** Does every job on a worker thread of its own, with its own ONNX Runtime threads; the thread ends with the job. */
export class ThreadJobRunner implements JobRunner {
  readonly #resolve: ResolveSpec;
  readonly #background: boolean;
  readonly #planning = new Set<Thread<JobPlan>>();
  #closed = false;

  /** @param background  whether jobs yield to other threads, such as those that serve */
  constructor(resolve: ResolveSpec, { background = false }: { readonly background?: boolean } = {}) {
    this.#resolve = resolve;
    this.#background = background;
  }

  start(job: Job, directory: string, hooks: JobHooks): JobRun {
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const set = (flag: number, value: boolean) => {
      Atomics.store(flags, flag, value ? 1 : 0);
      Atomics.notify(flags, FLAGS.yield);
    };
    let thread: Thread<JobOutcome> | undefined;
    let validated = false;
    const work = async (): Promise<JobOutcome> => {
      let resolved: ResolvedSpec;
      try {
        const { id: jobId, spec, startVersion, runningMs: spentMs } = job;
        const found = await this.#resolve(startVersion === "" ? spec : { ...spec, init: startVersion });
        resolved = { ...found, jobId, spec, directory, spentMs };
        if (startVersion === "" && found.startVersion !== undefined) await hooks.startChosen(found.startVersion);
      } catch (error) {
        return rejectionOf(error);
      }
      if (Atomics.load(flags, FLAGS.stop) === 1) return { kind: "stopped" };
      thread = startThread({ resolved, mode: "work", flags, background: this.#background }, (message) => {
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
      return (await thread.result) ?? { kind: "stopped" };
    };
    return {
      done: work(),
      stop() {
        set(FLAGS.stop, true);
        // Before its data has been checked, the job has made nothing that must be kept.
        if (!validated) thread?.end();
      },
      setYield: (yielding) => set(FLAGS.yield, yielding),
    };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    const directory = await makeTemporaryDirectory("plan");
    let thread: Thread<JobPlan> | undefined;
    try {
      const resolved = { ...(await this.#resolve(spec)), jobId: "", spec, directory };
      if (this.#closed) throw shuttingDown();
      const flags = new Int32Array(new SharedArrayBuffer(8));
      thread = startThread({ resolved, mode: "plan", flags, background: this.#background }, (message) =>
        message.kind === "plan" ? message.plan : undefined,
      );
      this.#planning.add(thread);
      const plan = await thread.result;
      if (plan === undefined) throw shuttingDown();
      return plan;
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
}

/** A thread at work. */
interface Thread<Result> {
  /** Undefined when it was ended before it had one. */
  readonly result: Promise<Result | undefined>;
  /** Ends it at once, whatever it does. */
  end(): void;
}

/** Runs a thread to its result: the first message of which `read` makes something. */
function startThread<Result>(task: ThreadTask, read: (message: ThreadMessage) => Result | undefined): Thread<Result> {
  const worker = spawnWorker(new URL("./job-thread", import.meta.url), import.meta.url, { workerData: task });
  let ended = false;
  const result = new Promise<Result | undefined>((resolve, reject) => {
    let found: { readonly value: Result } | undefined;
    worker.on("message", (message: ThreadMessage) => {
      const value = read(message);
      if (value !== undefined) found = { value };
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      if (found !== undefined) resolve(found.value);
      else if (ended) resolve(undefined);
      else {
        const message = `the job's thread ended with ${code} and without a result`;
        reject(new AlbertError("backend", message, { reason: "WORKER_LOST" }));
      }
    });
  });
  return {
    result,
    end() {
      ended = true;
      void worker.terminate();
    },
  };
}

function shuttingDown(): AlbertError {
  return new AlbertError("unavailable", "the server is shutting down", { reason: "SHUTTING_DOWN" });
}
