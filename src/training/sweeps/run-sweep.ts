import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import type { TrainingEvent } from "../events.ts";
import type { FineTuneSpec, PreparedFineTune, RunOptions } from "../fine-tune.ts";
import { type Repeat, repeatsOf } from "../repeats/repeats.ts";
import { type RepeatedOutcome, runRepeats } from "../repeats/run-repeats.ts";
import { ResultFiles } from "../result-files.ts";
import { decideSweep } from "./decide.ts";
import { type Rung, type SweepPlan, type SweepTrial, stepsAt } from "./sweep.ts";
import { openSweepState, type SweepState, standingsOf, type TrialState } from "./sweep-state.ts";

// Runs the trials of a sweep in this process, one after the other, and gives the outcome of the best one.

export interface SweepRunOptions extends Omit<RunOptions, "onEvent" | "resume" | "timeLimitMs" | "maxSteps"> {
  /** Of all trials: `sweep.json` and a directory for each trial. */
  readonly work: string;
  /** Whether what an earlier run left in `work` is gone on with. */
  readonly resume: boolean;
  /** The fine-tune that a trial is; its work directory is given. */
  readonly specOf: (trial: SweepTrial, work: string) => FineTuneSpec;
  readonly prepare: (repeat: Repeat) => Promise<PreparedFineTune>;
  readonly onEvent: (event: TrainingEvent) => void;
  /** Told before a trial is trained up to a rung. */
  readonly onTrial: (trial: SweepTrial, rung: Rung) => void;
  /** Told after each judgement, and of a trial that failed. */
  readonly onJudged: (state: SweepState, trial: TrialState) => void;
}

export interface SweepOutcome {
  /** Of the best trial; what it was prepared with is closed. */
  readonly outcome: RepeatedOutcome;
  readonly state: SweepState;
}

/**
 * Runs (or resumes) a sweep to its end. What is done is on the disk before anything else begins: a run that was killed at any instant
 * goes on without repeating a trial that was judged, and ends with the same bytes.
 *
 * @returns undefined where it was stopped by the signal
 * @throws AlbertError precondition (OUTPUT_NOT_EMPTY) for a directory with another sweep, or one that is not to be resumed; backend
 *   (SWEEP_FAILED) when every trial failed; whatever a trial throws for which its settings are not to blame
 */
export async function runSweep(plan: SweepPlan, options: SweepRunOptions): Promise<SweepOutcome | undefined> {
  const { work, specOf } = options;
  const specs = plan.trials.map((trial) => specOf(trial, join(work, trialName(trial))));
  const sweep = await openSweepState(work, plan, specs, options.resume);
  for (;;) {
    const { state } = sweep;
    const { moves, failed, best } = decideSweep(plan, state.metric, standingsOf(state));
    if (failed) throw allFailed(state);
    for (const { trial, kind } of moves) {
      if (kind !== "give-up") continue;
      await removeWeights(join(work, trialName(plan.trials[trial - 1]!)));
      await sweep.change(trial, { state: "ended" });
    }
    const done = moves.find(({ kind }) => kind === "publish");
    if (done !== undefined) {
      const repeats = repeatsOf(specs[done.trial - 1]!);
      // Its last checkpoint is there: no step is taken again.
      const outcome = await runTrial(repeats, specs[done.trial - 1]!, undefined, options);
      return outcome === undefined ? undefined : { outcome, state: { ...state, best: done.trial } };
    }
    const next = moves.find(({ kind }) => kind !== "give-up");
    if (next === undefined) continue; // what was given up changes what follows
    const trial = plan.trials[next.trial - 1]!;
    const rung = plan.rungs[state.trials[next.trial - 1]!.judged.length]!;
    options.onTrial(trial, rung);
    const judged = await judge(trial, rung, specs[next.trial - 1]!, options);
    if (judged === "stopped") return undefined;
    await sweep.change(next.trial, judged.change, judged.metric);
    const now = decideSweep(plan, sweep.state.metric, standingsOf(sweep.state)).best ?? best;
    await sweep.setBest(now);
    options.onJudged(sweep.state, sweep.state.trials[next.trial - 1]!);
  }
}

/** The directory of a trial below that of its sweep. */
export function trialName({ number }: Pick<SweepTrial, "number">): string {
  return `trial-${String(number).padStart(3, "0")}`;
}

/** Trains a trial up to a rung. A run that diverges fails alone: its settings are to blame. */
async function judge(trial: SweepTrial, rung: Rung, spec: FineTuneSpec, options: SweepRunOptions) {
  try {
    const outcome = await runTrial(repeatsOf(spec), spec, rung, options);
    if (outcome === undefined) return "stopped";
    const { metrics, progress, prepared } = outcome;
    const { metric } = prepared.resolved.settings;
    return { metric, change: { state: "held", judgement: metrics, step: progress.step } } as const;
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    if (error.reason === "DIVERGED") return { change: { state: "ended", failed: error.message } } as const;
    throw new AlbertError(error.code, `trial ${trial.number}: ${error.message}`, {
      ...{ reason: error.reason, cause: error },
      ...(error.violations.length === 0 ? {} : { violations: error.violations }),
    });
  }
}

/** @returns undefined where it was stopped */
async function runTrial(
  repeats: readonly Repeat[],
  { work }: FineTuneSpec,
  rung: Rung | undefined,
  options: SweepRunOptions,
): Promise<RepeatedOutcome | undefined> {
  const { openExecutor, openEvaluator, clock, logEvery, signal, beforeStep, prepare, onEvent } = options;
  const first = await prepare(repeats[0]!); // there is one at least
  const { metric, trainStep } = first.resolved.settings;
  const files = await ResultFiles.open(work, metric);
  try {
    const outcome = await runRepeats(repeats, first, {
      ...{ openExecutor, openEvaluator, clock, logEvery, prepare, work, resume: true },
      ...(signal === undefined ? {} : { signal }),
      ...(beforeStep === undefined ? {} : { beforeStep }),
      ...(rung === undefined || rung.share === 1 ? {} : { maxSteps: stepsAt(rung, repeats.length * trainStep) }),
      onEvent: (event) => {
        files.add(event);
        onEvent(event);
      },
    });
    return outcome.stoppedBy === "aborted" ? undefined : outcome;
  } finally {
    await first.close();
    await files.close();
  }
}

function allFailed({ trials }: SweepState): AlbertError {
  const first = trials.find(({ failed }) => failed !== undefined);
  const why = first === undefined ? "no trial gave a figure to compare" : `trial ${first.number}: ${first.failed}`;
  return new AlbertError("backend", `every trial of the sweep failed; ${why}`, { reason: "SWEEP_FAILED" });
}

/** Frees the disk of what a trial does not need that is not the best: its log and figures stay. */
async function removeWeights(directory: string): Promise<void> {
  const found = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const runs = found.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
  for (const path of [directory, ...runs]) await rm(join(path, "checkpoints"), { recursive: true, force: true });
}
