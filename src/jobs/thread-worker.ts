import { rm } from "node:fs/promises";
import { AlbertError } from "../errors.ts";
import { makeTemporaryDirectory } from "../temporary-directories.ts";
import { spawnWorker } from "../worker-threads.ts";
import type { Job } from "./job.ts";
import type { JobPlan } from "./job-service.ts";
import type { JobSpec } from "./job-spec.ts";
import type { JobWorker, RunningWork, WorkHooks, WorkOutcome } from "./job-work.ts";
import { FLAGS, type ThreadMessage, type ThreadTask } from "./thread-messages.ts";
import { rejectionOf } from "./work-failures.ts";
import type { WorkOrder } from "./work-order.ts";

/** Makes paths of what a specification names; fails when there is no such model or data. */
export type ResolveOrder = (spec: JobSpec) => Promise<Omit<WorkOrder, "jobId" | "spec" | "directory">>;

/** Does every job on a worker thread of its own, with its own ONNX Runtime threads; the thread ends with the job. */
export class ThreadJobWorker implements JobWorker {
  readonly #resolve: ResolveOrder;
  readonly #background: boolean;

  /** @param background  whether jobs stand back for other threads, such as those that serve */
  constructor(resolve: ResolveOrder, { background = false }: { readonly background?: boolean } = {}) {
    this.#resolve = resolve;
    this.#background = background;
  }

  start(job: Job, directory: string, hooks: WorkHooks): RunningWork {
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const work = async (): Promise<WorkOutcome> => {
      let order: WorkOrder;
      try {
        const { id: jobId, spec, startVersion } = job;
        const found = await this.#resolve(startVersion === "" ? spec : { ...spec, init: startVersion });
        order = { ...found, jobId, spec, directory };
        if (startVersion === "" && found.startVersion !== undefined) await hooks.startChosen(found.startVersion);
      } catch (error) {
        return rejectionOf(error);
      }
      if (Atomics.load(flags, FLAGS.stop) === 1) return { kind: "stopped" };
      return runThread({ order, mode: "work", flags, background: this.#background }, (message) => {
        switch (message.kind) {
          case "phase":
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
    };
    const set = (flag: number, value: boolean) => {
      Atomics.store(flags, flag, value ? 1 : 0);
      Atomics.notify(flags, FLAGS.yield);
    };
    return {
      done: work(),
      stop: () => set(FLAGS.stop, true),
      setYield: (yielding) => set(FLAGS.yield, yielding),
    };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    const directory = await makeTemporaryDirectory("plan");
    try {
      const order = { ...(await this.#resolve(spec)), jobId: "", spec, directory };
      const flags = new Int32Array(new SharedArrayBuffer(8));
      return await runThread({ order, mode: "plan", flags, background: this.#background }, (message) =>
        message.kind === "plan" ? message.plan : undefined,
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Runs a thread to its result: the first message of which `read` makes something. */
function runThread<Result>(task: ThreadTask, read: (message: ThreadMessage) => Result | undefined): Promise<Result> {
  return new Promise((resolve, reject) => {
    const worker = spawnWorker(new URL("./job-thread", import.meta.url), import.meta.url, { workerData: task });
    let result: { readonly value: Result } | undefined;
    worker.on("message", (message: ThreadMessage) => {
      const value = read(message);
      if (value !== undefined) result = { value };
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      if (result !== undefined) resolve(result.value);
      else {
        const message = `the job's thread ended with ${code} and without a result`;
        reject(new AlbertError("backend", message, { reason: "WORKER_LOST" }));
      }
    });
  });
}
