import { AlbertError } from "../../errors.ts";
import { decideSweep } from "../../training/sweeps/decide.ts";
import type { SweepPlan } from "../../training/sweeps/sweep.ts";
import { creatorOf, type Job } from "../job.ts";
import type { NewJobEvent } from "../job-event.ts";
import type { JobSpec } from "../job-spec.ts";
import { allows, isTerminal, type JobTransition } from "../job-state.ts";
import { stateChange, type Why } from "../log/job-record.ts";
import { rejectionOf } from "../runner/job-failures.ts";
import {
  failureOf,
  metricOf,
  newestFigures,
  standingsOf,
  sweepPlanOf,
  trialRequest,
  trialSpec,
  trialsOf,
} from "./trials.ts";

// Lets the sweeps among the jobs go on. It decides nothing about trials: that is `training/sweeps/decide.ts`.

/** What keeping sweeps needs of whoever keeps jobs. */
export interface SweepHands {
  list(): readonly Job[];
  /** Makes a job, unless the request made it before. */
  create(requestId: string, spec: JobSpec, by: string | undefined): Promise<unknown>;
  /** Appends the event that `decide` makes of the job as it stands, if it makes one. */
  write(id: string, decide: (job: Job) => NewJobEvent | undefined): Promise<unknown>;
  /** Ends a trial, also one at work. */
  cancel(id: string): Promise<unknown>;
  /** Removes the checkpoints of a trial that is given up. */
  freeFiles(trial: Job): Promise<void>;
  /** The stored version that a specification starts from, as "name@7"; undefined for one that starts from none. */
  startOf(spec: JobSpec): Promise<string | undefined>;
  /** Receives what kept a sweep from going on; it is tried again at the next occasion. */
  onError(error: unknown, sweepId: string): void;
}

/** Most rounds at one occasion: a sweep moves by a few states, and then waits for its trials. */
const MOST_ROUNDS = 20;

/**
 * Lets sweeps go on. A sweep is a job without work of its own: what is to be done follows from its log and those of its trials alone.
 * So it belongs to no server and is claimed by none: each that trains looks at all, and does what is left to do. Every deed can be done
 * twice, or by two servers at once: a trial is made by its request, a state changes only from the one before, and logs have one order.
 */
export class SweepKeeper {
  readonly #hands: SweepHands;
  #tending: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(hands: SweepHands) {
    this.#hands = hands;
  }

  /** Does what is to be done for all sweeps; called whenever a job may have changed. Never rejects. */
  tend(): Promise<void> {
    this.#again = true;
    this.#tending ??= this.#rounds();
    return this.#tending;
  }

  /** Begins nothing more. @returns when what it had begun is done */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#tending;
  }

  async #rounds(): Promise<void> {
    await Promise.resolve(); // by then `#tending` is set
    for (let round = 0; this.#again && !this.#stopped && round < MOST_ROUNDS; round++) {
      this.#again = false;
      const jobs = this.#hands.list();
      for (const sweep of jobs.filter(({ spec }) => spec.kind === "sweep")) {
        const trials = trialsOf(jobs, sweep.id);
        if (isTerminal(sweep.state)) await this.#attempt(sweep.id, () => this.#cancelAll(trials));
        else await this.#attempt(sweep.id, () => this.#tendOne(sweep, trials));
      }
      const known = new Set(jobs.map(({ id }) => id));
      for (const trial of jobs) {
        const sweepId = trial.spec.trial?.sweep;
        if (sweepId === undefined || known.has(sweepId)) continue;
        await this.#attempt(sweepId, () => this.#cancelAll(new Map([[1, trial]])));
      }
    }
    this.#tending = undefined; // at once: what changes from now on begins anew
  }

  async #attempt(sweepId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#hands.onError(error, sweepId);
    }
  }

  async #tendOne(sweep: Job, trials: ReadonlyMap<number, Job>): Promise<void> {
    const { id, spec, state, startVersion } = sweep;
    switch (state.kind) {
      case "queued":
        return this.#move(id, { kind: "begin" });
      case "validating":
        if (startVersion === "" && !(await this.#findStart(sweep))) return;
        return this.#move(id, { kind: "validated" });
      case "preparing":
        return this.#move(id, { kind: "prepared" });
      case "running":
      case "evaluating":
        return this.#goOn(sweep, sweepPlanOf(spec, spec.sweep!), trials); // `checkJobSpec` saw to it
      case "cancelling":
        await this.#cancelAll(trials);
        if ([...trials.values()].every((trial) => isTerminal(trial.state))) await this.#move(id, { kind: "stopped" });
        return;
      default:
        return; // paused
    }
  }

  /** All trials start from one version, whatever becomes of the champion meanwhile. @returns false where there is none: the sweep is rejected */
  async #findStart({ id, spec }: Job): Promise<boolean> {
    try {
      const version = await this.#hands.startOf(spec);
      if (version === undefined) return true;
      await this.#hands.write(id, (job) =>
        job.startVersion === ""
          ? { kind: "start_chosen", summary: `starts from ${version}`, detail: { version } }
          : undefined,
      );
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { reason, problems } = rejectionOf(error);
      await this.#move(id, { kind: "reject", reason, problems }, { reason });
      return false;
    }
  }

  async #goOn(sweep: Job, plan: SweepPlan, trials: ReadonlyMap<number, Job>): Promise<void> {
    const { id, state } = sweep;
    const metric = metricOf(trials);
    const { moves, best, failed } = decideSweep(plan, metric, standingsOf(plan, trials));
    await this.#report(sweep, plan, trials, best);
    for (const { trial: number, kind } of moves) {
      if (this.#stopped) return;
      const trial = trials.get(number);
      if (kind === "start") {
        const spec = trialSpec(sweep, plan, { ...plan.trials[number - 1]!, number });
        if (!(await this.#start(sweep, number, spec))) return;
      } else if (trial !== undefined && kind === "give-up") {
        await this.#hands.freeFiles(trial);
        await this.#move(trial.id, { kind: "give-up" }, { reason: "SWEEP", detail: "another trial is better" });
      } else if (trial !== undefined && kind === "go-on") {
        await this.#move(
          trial.id,
          { kind: "release" },
          { reason: "SWEEP", detail: "among the better ones of its rung" },
        );
      } else if (trial !== undefined) {
        const detail = `trial ${number} is the best`;
        if (state.kind === "running") await this.#move(id, { kind: "trained" }, { detail });
        await this.#move(trial.id, { kind: "release" }, { reason: "SWEEP", detail: "the best of its sweep" });
      }
    }
    const winner = best === undefined ? undefined : trials.get(best);
    if (failed) await this.#fail(sweep, whyAllFailed(trials));
    else if (state.kind === "evaluating" && winner !== undefined && isTerminal(winner.state))
      await this.#finish(sweep, winner);
  }

  /** Makes the job of a trial. @returns false where it is refused, as when its data is gone: the sweep fails */
  async #start(sweep: Job, number: number, spec: JobSpec): Promise<boolean> {
    try {
      await this.#hands.create(trialRequest(sweep.id, { number }), spec, creatorOf(sweep));
      this.#again = true;
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#fail(sweep, `trial ${number} was refused: ${error.message}`);
      return false;
    }
  }

  /** Says in the sweep's log how far it is, once for each trial that was judged or failed. */
  async #report(
    { id, progress }: Job,
    plan: SweepPlan,
    trials: ReadonlyMap<number, Job>,
    best: number | undefined,
  ): Promise<void> {
    const all = [...trials.values()];
    const step = all.reduce((sum, trial) => sum + trial.judged.length + (failureOf(trial) === "" ? 0 : 1), 0);
    if (step <= progress.step) return;
    const metric = metricOf(trials);
    const judged = all.filter((trial) => trial.judged.length > 0).length;
    const leader = best === undefined ? undefined : trials.get(best);
    const { value, figures } = leader === undefined ? NO_FIGURES : newestFigures(metric, leader);
    const leads =
      value === undefined ? "" : `; trial ${best} is the best so far, ${metric} ${Number(value.toFixed(4))}`;
    await this.#hands.write(id, (job) =>
      step <= job.progress.step
        ? undefined
        : {
            kind: "sweep_progress",
            summary: `${judged} of ${plan.trials.length} trials judged${leads}`,
            progress: {
              step,
              totalSteps: plan.rungs.reduce((sum, rung) => sum + rung.trials, 0),
              ...(value === undefined ? {} : { metrics: figures, bestMetric: metric, bestValue: value }),
            },
            detail: { judged, trials: plan.trials.length, ...(best === undefined ? {} : { best, metric, value }) },
          },
    );
  }

  /** What became of the best trial is what became of the sweep. */
  async #finish(sweep: Job, winner: Job): Promise<void> {
    const { id } = sweep;
    const { state, modelVersion, gateReport, promoted, notPromoted, spec } = winner;
    if (state.kind !== "succeeded") return this.#fail(sweep, `trial ${spec.trial?.number}: ${failureOf(winner)}`);
    const told: [of: (job: Job) => boolean, event: NewJobEvent][] = [
      [
        (job) => job.modelVersion === "" && modelVersion !== "",
        { kind: "published", summary: `published as ${modelVersion}`, detail: { version: modelVersion } },
      ],
      [
        (job) => job.gateReport === "" && gateReport !== "",
        { kind: "gate_result", summary: "as the gate found", detail: gateReport === "" ? {} : JSON.parse(gateReport) },
      ],
      [
        (job) => !job.promoted && promoted,
        { kind: "promoted", summary: `${modelVersion} is the champion`, detail: { version: modelVersion } },
      ],
      [
        (job) => job.notPromoted === "" && notPromoted !== "",
        {
          kind: "not_promoted",
          summary: `${modelVersion} was not promoted: ${notPromoted}`,
          detail: { version: modelVersion, why: notPromoted },
        },
      ],
    ];
    for (const [isDue, event] of told) {
      if (isDue(sweep)) await this.#hands.write(id, (job) => (isDue(job) ? event : undefined));
    }
    const { stoppedBy: _, ...result } = state.result;
    await this.#move(id, { kind: "succeed", result });
  }

  async #fail({ id }: Job, message: string): Promise<void> {
    const reason = "SWEEP";
    await this.#move(id, { kind: "fail", reason, message }, { reason, detail: message });
  }

  async #cancelAll(trials: ReadonlyMap<number, Job>): Promise<void> {
    for (const { id, state } of trials.values()) {
      if (!allows(state, { kind: "cancel" })) continue;
      await this.#hands.cancel(id);
      this.#again = true;
    }
  }

  /** Changes a state, unless it changed meanwhile. */
  async #move(id: string, transition: JobTransition, why?: Why): Promise<void> {
    await this.#hands.write(id, (job) =>
      allows(job.state, transition) ? stateChange(job.state, transition, why) : undefined,
    );
    this.#again = true;
  }
}

/** Whether the request is at fault, and not the moment. */
function isRefusal(error: unknown): error is AlbertError {
  return error instanceof AlbertError && ["not-found", "invalid-input", "forbidden"].includes(error.code);
}

const NO_FIGURES = { value: undefined, figures: {} } as const;

function whyAllFailed(trials: ReadonlyMap<number, Job>): string {
  const first = [...trials.values()].find((trial) => failureOf(trial) !== "");
  if (first === undefined) return "no trial gave a figure to compare";
  return `every trial failed; trial ${first.spec.trial?.number}: ${failureOf(first)}`;
}
