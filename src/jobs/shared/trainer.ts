import { rm } from "node:fs/promises";
import { AlbertError } from "../../errors.ts";
import type { StoredJobs, TrainerSign } from "../../store/jobs/stored-jobs.ts";
import type { JobOwner } from "../job.ts";
import { type ExecutionOptions, JobExecution, type StopIntent } from "../job-execution.ts";
import type { JobRunner } from "../job-runner.ts";
import { isTerminal } from "../job-state.ts";
import { type Claim, claimEvents, holds, releaseEvents, wasTaken } from "./claims.ts";
import { FileKeeper, restoreFiles } from "./file-keeper.ts";
import { OwnedJob, type SharedJob, untilReached } from "./shared-job.ts";

// The part of a server that works on the jobs of a store.

export interface TrainerOptions extends Pick<ExecutionOptions, "publisher" | "steadyClock" | "onDefect" | "fullDisk"> {
  readonly store: StoredJobs;
  readonly runner: JobRunner;
  readonly owner: JobOwner;
  readonly clock: () => number;
  readonly poisonKills?: number | undefined;
  /** Asked once a claim stands: whether the job may begin, with what is written until now taken into account. */
  readonly mayBegin: (shared: SharedJob, patience: AbortSignal) => Promise<boolean>;
  /** Told when another server has taken the job in hand. */
  readonly onLost: (error: AlbertError, jobId: string) => void;
  readonly onFullDisk: (jobId: string) => void;
}

/** The job that this server has in its hands. */
interface InHand {
  readonly shared: SharedJob;
  readonly claim: Claim;
  /** Undefined until its files are here. */
  execution: JobExecution | undefined;
  /** What was asked before it began. */
  intent: StopIntent | undefined;
  lost: boolean;
  ended: Promise<void> | undefined;
}

/**
 * What this server does on the jobs of a store: it claims one at a time, works on it under its claim, and gives signs of life while it
 * does. It takes its own claim for nothing that protects: every write proves it.
 */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #open = new AbortController();
  #inHand: InHand | undefined;
  #beat = 0;

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#inHand !== undefined;
  }

  setYield(yielding: boolean): void {
    this.#inHand?.execution?.setYield(yielding);
  }

  /** Takes a job and begins to work on it, unless another server is first. @param onEnd  called when it has left its hands */
  async take(shared: SharedJob, onEnd: () => void): Promise<boolean> {
    const { owner } = this.#options;
    const claimed = await shared.change((job) => claimEvents(job, owner));
    if (claimed === undefined) return false;
    const claim: Claim = { trainer: owner.trainer, generation: claimed.generation! };
    const inHand: InHand = { shared, claim, execution: undefined, intent: undefined, lost: false, ended: undefined };
    this.#inHand = inHand;
    inHand.ended = this.#work(inHand)
      .catch((error: unknown) => {
        if (!inHand.lost) this.#options.onDefect(error, shared.job.id);
      })
      .then(() => {
        this.#inHand = undefined;
      });
    void inHand.ended.then(onEnd);
    return true;
  }

  /** Does what the log of the job in hand asks for: another server may have taken it, or somebody stops it. */
  heed(): void {
    const inHand = this.#inHand;
    if (inHand === undefined) return;
    const { job } = inHand.shared;
    if (wasTaken(job, inHand.claim)) this.#lose(inHand);
    else if (job.state.kind === "cancelling") this.#stop(inHand, "cancel");
    else if (job.pauseAsked !== undefined) this.#stop(inHand, "pause", job.pauseAsked || undefined);
  }

  /** Sets the job in hand aside at its next step, for any server to go on. A store that cannot be reached is not waited for. */
  async stop(): Promise<void> {
    this.#open.abort();
    const inHand = this.#inHand;
    if (inHand !== undefined) this.#stop(inHand, "preempt");
    await inHand?.ended;
  }

  /** Stops all work and writes nothing more. */
  giveUp(): void {
    this.#open.abort();
    if (this.#inHand !== undefined) this.#lose(this.#inHand);
  }

  /** Gives a sign of life while there is a job in hand. */
  async sign(): Promise<void> {
    if (this.#inHand === undefined) return;
    const { store, owner, clock } = this.#options;
    const known = await store.sign(owner.trainer);
    this.#beat = Math.max(this.#beat, known?.sign?.beat ?? 0) + 1;
    const { trainer, host } = owner;
    const sign: TrainerSign = { form: 1, trainer, host, pid: process.pid, beat: this.#beat, atMs: clock() };
    await store.giveSign(sign, known?.tag);
  }

  #stop(inHand: InHand, intent: StopIntent, by?: string): void {
    if (inHand.intent === intent) return;
    inHand.intent = intent;
    inHand.execution?.stop(intent, by);
  }

  #lose(inHand: InHand): void {
    if (inHand.lost) return;
    inHand.lost = true;
    inHand.execution?.abandon();
  }

  async #work(inHand: InHand): Promise<void> {
    const { store, runner, mayBegin, onLost, onDefect, onFullDisk, poisonKills } = this.#options;
    const { shared, claim } = inHand;
    const { id } = shared.job;
    const patience = this.#open.signal;
    const record = new OwnedJob(shared, claim, patience, (error) => {
      if (!inHand.lost) onLost(error, id);
      this.#lose(inHand);
    });
    await this.sign().catch(() => {}); // the next one is due soon
    const letGo = (why: string) =>
      shared.change((job) => releaseEvents(job, claim.generation, { why, killed: false }, poisonKills), patience);
    if (!(await untilReached(() => mayBegin(shared, patience), patience)) && inHand.intent === undefined) {
      await letGo("its submitter has as many jobs at work as it may");
      return;
    }
    try {
      await untilReached(() => restoreFiles(store, shared.job, shared.directory), patience);
    } catch (error) {
      if (!(error instanceof AlbertError) || error.code !== "corrupt") {
        await letGo("it could not bring the job's files to its disk");
        throw error;
      }
      onDefect(error, id); // it begins anew, and comes to the same end
    }
    if (inHand.intent !== undefined) await letGo("it was asked to stop before it began");
    if (!holds(shared.job, claim)) return;
    const keeper = new FileKeeper(store, record, patience, (error) => {
      if (!inHand.lost) onDefect(error, id);
    });
    const execution = new JobExecution(record, {
      ...this.#options,
      runner: keepingRunner(runner, keeper),
      requeues: false,
      onDefect: (error, jobId) => {
        if (!inHand.lost) onDefect(error, jobId);
      },
      onFullDisk: async (jobId) => onFullDisk(jobId),
    });
    inHand.execution = execution;
    this.heed(); // what came while the files did
    await execution.ended;
    const { state } = shared.job;
    if (!inHand.lost && state.kind === "succeeded") {
      await store.removeFiles(id, claim.generation, []).catch((error: unknown) => onDefect(error, id));
    }
    // What another server may need is in the store; what a person may want to see of a job that ended here stays.
    if (!isTerminal(state) || inHand.lost) await rm(shared.directory, { recursive: true, force: true });
  }
}

/** A runner whose checkpoints are kept; its runs are done when the last of them is. */
function keepingRunner(runner: JobRunner, keeper: FileKeeper): JobRunner {
  return {
    start(job, directory, hooks) {
      const run = runner.start(job, directory, {
        ...hooks,
        event(event) {
          hooks.event(event);
          if (event.kind === "checkpoint_written") keeper.note();
        },
      });
      const settled = () => keeper.settled();
      return {
        done: run.done.finally(settled),
        stop: () => run.stop(),
        setYield: (yielding) => run.setYield(yielding),
      };
    },
    plan: (spec) => runner.plan(spec),
    close: () => runner.close(),
  };
}
