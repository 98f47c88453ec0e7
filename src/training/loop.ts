import { AlbertError } from "../errors.ts";
import { deriveSeed } from "../model/random.ts";
import { sizeOf, type Tensor } from "../model/tensor.ts";
import type { Checkpoint, CheckpointStore, TrainingProgress } from "./checkpoints.ts";
import { type Divergence, type DivergenceRule, detectDivergence, EMPTY_WINDOW, nonFiniteState } from "./divergence.ts";
import { better, type Selection } from "./evaluation/selection.ts";
import type { StopReason, TrainingEvent } from "./events.ts";
import { learningRateAt, type Schedule } from "./schedule.ts";
import { StepGroups, takeSteps } from "./step/multi-step-batches.ts";
import type { StepSource } from "./step/step-data.ts";
import type { Executor, StepOptions, TrainState } from "./step/training-step.ts";
import { ThroughputMeter } from "./throughput-meter.ts";

// The training loop. It knows no model and no data: an executor takes the steps, a source gives the batches.

export interface TrainingRun {
  /** @param stage  of `stages`, from 0; 0 where the run has one stage */
  readonly openExecutor: (state: TrainState, stage: number) => Promise<Executor>;
  /** Where other parameters learn from some steps on: the steps of a stage, and how many there are; the last goes on to the end. */
  readonly stages?: { readonly every: number; readonly count: number };
  /** What computes the steps, as a person reads it. */
  readonly computedOn?: string;
  /** What the run starts from when there is nothing to resume. */
  readonly initial: TrainState;
  readonly data: StepSource;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly checkpoints: CheckpointStore;
  /** Continue from the newest checkpoint if there is one; otherwise a store that holds any is refused. */
  readonly resume: boolean;
  /** Steps between checkpoints (`save_checkpoints_steps`). */
  readonly checkpointEvery: number;
  readonly evaluation?: {
    readonly every: number;
    readonly selection: Selection;
    /** @param parameters  the weights, or their moving average where the run keeps one */
    readonly run: (parameters: ReadonlyMap<string, Tensor>, step: number) => Promise<Readonly<Record<string, number>>>;
  };
  readonly divergence: DivergenceRule;
  /**
   * Optimizer steps of one run of a graph, where neighbouring steps have one shape and neither a checkpoint nor an evaluation
   * lies between them (`iterations_per_loop`). 1 when left out. The numbers do not depend on it.
   */
  readonly stepsPerRun?: number;
  /** Restarts with half the learning rate and fresh seeds after a divergence, before the run fails. 1 is usual. */
  readonly maxRestarts: number;
  /** Steps between `step_metrics` events. */
  readonly logEvery: number;
  /** Steps after which the run ends although its schedule goes on, as complete as a run that ends by itself. Absent: none. */
  readonly maxSteps?: number;
  /** Milliseconds after which the run stops with a checkpoint. */
  readonly timeLimitMs?: number;
  /** Aborting it stops the run between two steps, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Awaited before every step: the place to yield to work that matters more. */
  readonly beforeStep?: (step: number) => Promise<void> | void;
  readonly onEvent: (event: TrainingEvent) => void;
  /** Milliseconds from any origin, never going back. */
  readonly clock: () => number;
}

export interface TrainingOutcome {
  readonly stoppedBy: StopReason;
  readonly progress: TrainingProgress;
  /** The weights to keep: of the best evaluation, else of the last step; averaged where the run keeps averages. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The same weights without averaging; absent where the run keeps no averages. */
  readonly plainParameters?: ReadonlyMap<string, Tensor>;
  /** Metrics of the evaluation that chose them; empty without evaluation. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Training loss of every step taken since the start or the resume, in order. */
  readonly losses: readonly number[];
}

/**
 * Trains. One visible loop: set the learning rate, take the step, judge it, log, evaluate, write a checkpoint.
 *
 * Whatever happens, the newest checkpoint is valid and a run resumed from it takes the same steps, bit for bit on a
 * CPU, as one that was never interrupted.
 *
 * @throws AlbertError backend (DIVERGED) when restarts did not help; the last good checkpoint stays
 */
export async function train(run: TrainingRun): Promise<TrainingOutcome> {
  const { schedule, data, checkpoints, evaluation, onEvent, clock } = run;
  const startedAt = clock();
  const endStep = endOf(run);
  const losses: number[] = [];
  let { state, progress } = await startingPoint(run);
  let stage = stageAt(run, progress.step);
  let executor = await run.openExecutor(state, stage);
  const reopen = async () => {
    await executor.close();
    stage = stageAt(run, progress.step);
    executor = await run.openExecutor(state, stage);
  };
  onEvent({
    kind: "started",
    ...(run.computedOn === undefined ? {} : { computedOn: run.computedOn }),
    firstStep: progress.step,
    totalSteps: endStep,
    stepsPerEpoch: data.stepsPerEpoch,
    parameters: [...state.parameters.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  });
  const groups = new StepGroups(data, run.stepsPerRun ?? 1);
  const goesOn = async (step: number) => {
    await run.beforeStep?.(step);
    return run.signal?.aborted !== true;
  };
  const throughput = new ThroughputMeter(clock, endStep);
  let lastMetrics: Readonly<Record<string, number>> = {};
  let savedStep = progress.step > 0 ? progress.step : -1;
  let stoppedBy: StopReason = "completed";

  const save = async (current: TrainState) => {
    if (savedStep === progress.step) return;
    const from = clock();
    const { bytes, pruned } = await checkpoints.write({ state: current, progress });
    savedStep = progress.step;
    onEvent({ kind: "checkpoint_written", step: progress.step, bytes, seconds: (clock() - from) / 1000 });
    for (const step of pruned) onEvent({ kind: "checkpoint_pruned", step });
  };
  const evaluate = async (
    { every: _, selection, run: evaluateWeights }: NonNullable<TrainingRun["evaluation"]>,
    current: TrainState,
  ) => {
    const from = clock();
    lastMetrics = await evaluateWeights(weightsOf(current), progress.step);
    const best = better(selection, progress.best, lastMetrics, progress.step);
    const improved = best !== progress.best;
    progress = {
      ...progress,
      ...(best === undefined ? {} : { best }),
      ...(improved ? { bestMetrics: lastMetrics } : {}),
      evaluationsSinceBest: improved ? 0 : progress.evaluationsSinceBest + 1,
    };
    const seconds = (clock() - from) / 1000;
    onEvent({
      kind: "eval_result",
      step: progress.step,
      metrics: lastMetrics,
      best: improved,
      ...(best === undefined ? {} : { bestSoFar: best }),
      seconds,
    });
    if (improved) await save(current);
  };
  const goBack = async (divergence: Divergence) => {
    onEvent({ kind: "diverged", step: progress.step, ...divergence });
    ({ state, progress } = await rollBack(run, progress, divergence));
    savedStep = progress.step;
    await reopen();
  };

  try {
    while (progress.step < endStep) {
      const { step: first, attempt, learningRateScale } = progress;
      await run.beforeStep?.(first);
      if (run.signal?.aborted) {
        stoppedBy = "aborted";
        break;
      }
      if (run.timeLimitMs !== undefined && clock() - startedAt >= run.timeLimitMs) {
        stoppedBy = "deadline";
        break;
      }
      if (progress.evaluationsSinceBest >= (evaluation?.selection.patience ?? Number.POSITIVE_INFINITY)) {
        stoppedBy = "early-stopping";
        break;
      }
      if (stageAt(run, first) !== stage) {
        state = await executor.snapshot();
        await reopen();
      }
      throughput.stepBegins();
      const group = await groups.next({ first, attempt, end: nextStop(run, first), goesOn });
      throughput.dataArrived();
      const options = group.data.map(
        (_, i): StepOptions => ({
          learningRate: learningRateAt(schedule, first + i) * learningRateScale,
          seed: deriveSeed(run.seed, "dropout", attempt, first + i),
        }),
      );
      const results = await takeSteps(executor, group, options);

      for (const [i, result] of results.entries()) {
        const step = first + i;
        const batch = group.data[i]!;
        const { window, divergence } = detectDivergence(run.divergence, progress.watched, step, result);
        if (divergence !== undefined) {
          await goBack(divergence);
          break;
        }
        progress = {
          ...progress,
          step: step + 1,
          examplesSeen: progress.examplesSeen + batch.examples,
          tokensSeen: progress.tokensSeen + batch.tokens,
          watched: window,
        };
        losses.push(result.loss);
        throughput.stepEnded(batch, result);
        const last = progress.step === endStep;
        if (progress.step % run.logEvery === 0 || last) {
          const { learningRate } = options[i]!;
          onEvent({ kind: "step_metrics", learningRate, ...throughput.report(progress, data.stepsPerEpoch) });
        }
        const saves = progress.step % run.checkpointEvery === 0;
        const evaluates = evaluation !== undefined && (progress.step % evaluation.every === 0 || last);
        if (!saves && !evaluates && !last) continue;
        const current = await executor.snapshot();
        const broken = nonFiniteState(current, progress.step);
        if (broken !== undefined) {
          await goBack(broken);
          break;
        }
        if (evaluates) await evaluate(evaluation, current);
        if (saves || last) await save(current);
      }
    }
    const current = await executor.snapshot();
    const broken = nonFiniteState(current, progress.step);
    if (broken === undefined) await save(current);
    else if (stoppedBy !== "aborted") throw diverged(broken, progress.step);
    if (stoppedBy === "completed" && endStep < schedule.totalSteps) stoppedBy = "max-steps";
    const kept = await keptState(run, executor, progress);
    const metrics = progress.bestMetrics ?? lastMetrics;
    onEvent({ kind: "finished", stoppedBy, step: progress.step, metrics });
    const plain = kept.ema.size === 0 ? {} : { plainParameters: kept.parameters };
    return { stoppedBy, progress, parameters: weightsOf(kept), ...plain, metrics, losses };
  } finally {
    await executor.close();
  }
}

/** The stage to which a step belongs. */
function stageAt({ stages }: TrainingRun, step: number): number {
  return stages === undefined ? 0 : Math.min(stages.count - 1, Math.floor(step / stages.every));
}

/** The first step after this one before which the state must be at hand: for a checkpoint, an evaluation, a stage, or the end. */
function nextStop(run: TrainingRun, step: number): number {
  const { checkpointEvery, evaluation, stages } = run;
  const periods = [checkpointEvery, evaluation?.every, stages?.every].filter((every) => every !== undefined);
  return Math.min(endOf(run), ...periods.map((every) => (Math.floor(step / every) + 1) * every));
}

/** The step at which the run is over. */
function endOf({ schedule, maxSteps }: TrainingRun): number {
  return Math.min(schedule.totalSteps, maxSteps ?? Number.POSITIVE_INFINITY);
}

async function startingPoint(run: TrainingRun): Promise<Checkpoint> {
  const fresh: Checkpoint = {
    state: run.initial,
    progress: {
      step: 0,
      seed: run.seed,
      attempt: 0,
      learningRateScale: 1,
      examplesSeen: 0,
      tokensSeen: 0,
      evaluationsSinceBest: 0,
      watched: EMPTY_WINDOW,
    },
  };
  if (!run.resume) {
    const steps = await run.checkpoints.steps();
    if (steps.length === 0) return fresh;
    throw new AlbertError(
      "precondition",
      `the output directory holds checkpoints up to step ${steps.at(-1)}: resume them, or choose another directory`,
      { reason: "OUTPUT_NOT_EMPTY" },
    );
  }
  const found = await run.checkpoints.loadNewest();
  if (found === undefined) return fresh;
  for (const message of found.warnings) run.onEvent({ kind: "warning", reason: "RESUME", message });
  run.onEvent({ kind: "resumed", step: found.progress.step });
  return found;
}

/**
 * Goes back to the last good state, halves the learning rate and draws new seeds: after NaN to the newest checkpoint,
 * after a collapse to the best one, and to the start where there is none.
 */
async function rollBack(run: TrainingRun, failed: TrainingProgress, divergence: Divergence): Promise<Checkpoint> {
  const attempt = failed.attempt + 1;
  if (attempt > run.maxRestarts) throw diverged(divergence, failed.step);
  const { checkpoints } = run;
  const steps = await checkpoints.steps();
  const goodStep = divergence.reason === "NON_FINITE" ? steps.at(-1) : failed.best?.step;
  const good: Checkpoint =
    goodStep === undefined
      ? { state: run.initial, progress: { ...failed, step: 0, examplesSeen: 0, tokensSeen: 0 } }
      : await checkpoints.load(goodStep);
  const learningRateScale = failed.learningRateScale / 2;
  const progress: TrainingProgress = {
    ...good.progress,
    attempt,
    learningRateScale,
    evaluationsSinceBest: 0,
    watched: EMPTY_WINDOW,
  };
  await checkpoints.discardAfter(good.progress.step);
  await checkpoints.write({ state: good.state, progress });
  run.onEvent({ kind: "rolled_back", fromStep: failed.step, toStep: progress.step, attempt, learningRateScale });
  return { state: good.state, progress };
}

function diverged({ message, reason }: Divergence, step: number): AlbertError {
  // A rate far too high ends in one answer throughout; a rate far too low never leaves it.
  const advice =
    reason === "NON_FINITE"
      ? "Lower the learning rate or lengthen the warmup"
      : "Try a lower learning rate or a longer warmup, or a higher rate where this one is small for the model (--plan says which fits), and look whether the labels follow from the texts";
  return new AlbertError("backend", `training diverged (${message}). ${advice}; the last good checkpoint is kept`, {
    reason: "DIVERGED",
    metadata: { step: String(step), cause: reason },
  });
}

/** The state whose weights are kept: of the best evaluation, else of the last step. */
async function keptState(run: TrainingRun, executor: Executor, { best, step }: TrainingProgress): Promise<TrainState> {
  if (best === undefined || best.step === step) return executor.snapshot();
  return (await run.checkpoints.load(best.step)).state;
}

/** Averages stand for the parameters they exist for. */
function weightsOf({ parameters, ema }: TrainState): ReadonlyMap<string, Tensor> {
  return new Map([...parameters, ...ema]);
}
