import { createHash } from "node:crypto";
import { join } from "node:path";
import { invalidInput, invariant } from "../errors.ts";
import { albertConfigToJson } from "../model/config.ts";
import type { FineTuningHints, Lineage, Model, Repeats, SentenceEncoding } from "../model/directory/model-directory.ts";
import { openModelDirectory } from "../model/directory/open-model-directory.ts";
import { type Answerer, headsOf, uncalibrated } from "../model/heads.ts";
import { initialiseParameter, parametersForHeads } from "../model/initialise.ts";
import { modelParameters, trunkParameters } from "../model/parameters.ts";
import type { Tensor } from "../model/tensor.ts";
import { POOLED_OUTPUT } from "../runtime/engine.ts";
import { FEWEST_FITTED_ROWS, type FitKind, whyUnfitted } from "../tasks/evaluation/calibrate-head.ts";
import type { FittedDecisions } from "../tasks/evaluation/fit-decisions.ts";
import type { DatasetPredictions } from "../tasks/evaluation/prediction.ts";
import { type CheckpointIdentity, CheckpointStore } from "./checkpoints.ts";
import { classWeights } from "./class-weights.ts";
import { projectionParameters } from "./distillation/distillation.ts";
import {
  type DistillationFacts,
  type DistillationSpec,
  type PreparedDistillation,
  prepareDistillation,
} from "./distillation/prepare-distillation.ts";
import { openStudent, type StudentSpec } from "./distillation/student-start.ts";
import { type FinalEvaluator, namedMetrics, writeFinalEvaluations } from "./evaluation/final-evaluation.ts";
import {
  compareAverages,
  compareWithBaseline,
  type Finding,
  lookAtLosses,
  trivialBaseline,
} from "./evaluation/findings.ts";
import { goalOf, metricsOf } from "./evaluation/head-metrics.ts";
import { checkSelection, type Selection } from "./evaluation/selection.ts";
import type { TrainingEvent } from "./events.ts";
import { executorFingerprint, executorText } from "./executors/executor-options.ts";
import type { FeatureStore } from "./features/feature-cache.ts";
import { outputOf } from "./features/frozen-encoder-features.ts";
import { openRunFeatures } from "./features/run-features.ts";
import { type CheckedData, checkData, type TaskDataSpec } from "./features/task-data.ts";
import { type TrainingOutcome, train } from "./loop.ts";
import { type Objective, objectiveOf } from "./objectives.ts";
import type { Schedule } from "./schedule.ts";
import type { GivenSettings, TrainingSettings } from "./settings/fine-tuning.ts";
import { SHORTEST_TESTED_RUN, testedRate } from "./settings/rate-test.ts";
import { type AlbertVersion, HEAD_TASKS, recipeOf } from "./settings/recipes.ts";
import { type ResolvedSettings, type RunFacts, resolveSettings } from "./settings/resolve.ts";
import { openStart, type StartingModel, type StartSpec } from "./starting-model.ts";
import { FeatureStepSource } from "./step/step-source.ts";
import type {
  ClassificationLoss,
  ContrastiveLoss,
  ExecutorOptions,
  OpenExecutor,
  StepSpec,
  TrainState,
} from "./step/training-step.ts";
import { stillFrozen, unfreezingStages } from "./step/unfreezing.ts";

// A fine-tuning run: everything before the first step, the run itself, and the result.

/** A fine-tuning run, as a person or a job asks for it. */
export interface FineTuneSpec {
  readonly data: TaskDataSpec;
  /** Which release's recipe applies. */
  readonly version: AlbertVersion;
  /** A student to be made has the teacher's vocabulary, and needs `distillation`. */
  readonly start: StartSpec | StudentSpec;
  /** The teacher that is learnt from besides the labels, and how. */
  readonly distillation?: DistillationSpec;
  readonly given: GivenSettings;
  /** About what was given, such as names of earlier releases. */
  readonly givenWarnings?: readonly string[];
  readonly executor: ExecutorOptions;
  /** Directory of checkpoints, logs and results. */
  readonly work: string;
  /** Directory of the feature cache, which runs may share. */
  readonly cache: string;
}

/** Evaluates weights on the run's evaluation data. */
export interface Evaluator extends FinalEvaluator {
  run(parameters: ReadonlyMap<string, Tensor>, step: number): Promise<Readonly<Record<string, number>>>;
  /** Fits what the head decides with these weights to the run's evaluation data. */
  fit(parameters: ReadonlyMap<string, Tensor>, kind: FitKind): Promise<FittedDecisions>;
  close(): Promise<void>;
}

export type OpenEvaluator = (prepared: PreparedFineTune) => Promise<Evaluator>;

/** Everything that is known before the first step. */
export interface PreparedFineTune {
  readonly spec: FineTuneSpec;
  readonly start: StartingModel;
  readonly head: Answerer;
  readonly objective: Objective;
  readonly resolved: ResolvedSettings;
  readonly data: CheckedData;
  readonly features: FeatureStore;
  readonly source: FeatureStepSource;
  readonly stepSpec: StepSpec;
  readonly initial: TrainState;
  /** Names of parameters drawn from the seed. */
  readonly initialised: readonly string[];
  readonly distillation?: PreparedDistillation;
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the model, reads and checks all data, resolves every setting and makes (or finds) the features. Nothing is
 * trained.
 *
 * @param openExecutor  for a short test of learning rates where no fitting rate is known; without it, the rule's applies
 * @throws AlbertError naming what is wrong with the model, the data (file:line:column) or the settings
 */
export async function prepareFineTune(
  spec: FineTuneSpec,
  onActivity: (activity: string) => void = () => {},
  openExecutor?: OpenExecutor,
): Promise<PreparedFineTune> {
  const seed = spec.given.seed ?? 12345;
  if (spec.distillation !== undefined && !HEAD_TASKS.includes(spec.data.task)) {
    throw invalidInput([{ field: "task", description: `a teacher teaches ${HEAD_TASKS.join(", ")}` }]);
  }
  onActivity("opening the model");
  const teacher = spec.distillation && (await openModelDirectory(spec.distillation.teacher));
  const start = await openBeginning(spec, teacher, seed);
  onActivity("reading the data");
  const data = await checkData(spec.data, (teacher?.manifest ?? start).heads.map(uncalibrated));
  const { head } = data;
  const recipe = recipeOf(spec.data.task, spec.version);
  const { config, fromScratch, hints } = start;
  const facts: RunFacts = {
    examples: data.train.count + (data.unlabelled?.count ?? 0),
    config,
    fromScratch,
    head,
    sequences: data.choices,
    ...(start.encoding === undefined ? {} : { encoding: start.encoding }),
    ...(hints === undefined ? {} : { hints }),
  };
  // How long the run is follows from its features, and how features are made from the other settings.
  const { settings } = resolveSettings(recipe, spec.given, facts);
  checkSelection(selectionOf(settings), metricsOf(head));
  if (data.eval === undefined && settings.patience > 0) {
    throw invalidInput([{ field: "patience", description: "early stopping needs evaluation data" }]);
  }

  const loss = await lossOf(settings, head, data);
  checkCalibration(settings, head, data);
  const { parameters, initialised } = startingParameters(start, head, settings);
  const frozen = frozenNames(start, head, settings);
  const distillation =
    teacher === undefined || head.kind === "vectors"
      ? undefined
      : settled(spec, { teacher, student: start, head, settings, passes: passesOf(settings, facts) });
  const { cache, executor } = spec;
  const { features, dropped, mix } = await openRunFeatures({
    ...{ cache, task: spec.data.task, data, head, settings, start, parameters, distillation, onActivity },
    ...(executor.threads === undefined ? {} : { threads: executor.threads }),
  });
  const objective: Objective = {
    ...objectiveOf(head),
    ...(distillation === undefined ? {} : { taught: distillation.settings.teacherAnswers }),
  };
  const pooled = settings.headOnly && head.kind !== "vectors" && outputOf(head) === POOLED_OUTPUT;
  const source = new FeatureStepSource({
    features,
    objective,
    seed: settings.seed,
    batchSize: settings.trainBatchSize,
    tokenBudget: settings.tokenBudget,
    maxSequenceLength: pooled ? 1 : settings.maxSeqLength,
    sequencesPerExample: data.choices,
    grouping: settings.grouping,
    ...(mix === undefined ? {} : { mix }),
    sizes: {
      ...(head.kind === "multiple-choice" || head.kind === "vectors" ? { choices: data.choices } : {}),
      ...(settings.headOnly ? { cachedWidth: start.config.hiddenSize } : {}),
    },
  });
  const stepSpec: StepSpec = {
    config: { ...config, hiddenDropoutProb: settings.dropout, attentionProbsDropoutProb: settings.dropout },
    objective,
    optimizer: {
      kind: settings.optimizer,
      weightDecay: settings.weightDecay,
      clipNorm: settings.clipNorm,
      layerDecay: settings.layerDecay,
    },
    headDropout: settings.headDropout,
    ...(loss === undefined ? {} : { loss }),
    ...(head.kind === "vectors" ? { contrastive: contrastiveOf(settings) } : {}),
    ...(distillation === undefined ? {} : { distillation: distillation.step }),
    frozen,
    trunk: settings.headOnly ? "cached" : "computed",
    ...(settings.emaDecay > 0 ? { emaDecay: settings.emaDecay } : {}),
  };
  for (const projection of distillation === undefined ? [] : projectionParameters(config, distillation.step)) {
    parameters.set(projection.name, initialiseParameter(projection, settings.seed));
  }
  const initial: TrainState = { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
  const sized: RunFacts = { ...facts, examples: features.lengths.length, questions: data.train.count };
  let resolved = resolveSettings(recipe, spec.given, sized);
  const { fitting, settings: sizedSettings } = resolved;
  const unknown = spec.given.learningRate === undefined && fitting.source === "rule";
  if (unknown && sizedSettings.trainStep >= SHORTEST_TESTED_RUN && openExecutor !== undefined) {
    onActivity("testing learning rates");
    const { emaDecay: _, ...withoutAverage } = stepSpec;
    const identity = { features: features.digest, order: source.order.digest, start: start.digest ?? "random" };
    const test = { openExecutor, executor, stepSpec: withoutAverage, initial, source, seed, work: spec.work, identity };
    const tested = await testedRate(fitting, test);
    resolved = resolveSettings(recipe, spec.given, { ...sized, tested });
  }
  return {
    spec,
    start,
    head,
    objective,
    resolved,
    data,
    features,
    source,
    stepSpec,
    initial,
    initialised,
    ...(distillation === undefined ? {} : { distillation }),
    warnings: [
      ...(spec.givenWarnings ?? []),
      ...start.warnings,
      ...data.warnings,
      ...resolved.warnings,
      ...(dropped > 0 ? [`${dropped} questions could not be aligned and are left out, as officially`] : []),
    ],
    close: () => features.close(),
  };
}

export interface RunOptions {
  readonly openExecutor: OpenExecutor;
  readonly openEvaluator: OpenEvaluator;
  readonly resume: boolean;
  readonly onEvent: (event: TrainingEvent) => void;
  readonly clock: () => number;
  readonly signal?: AbortSignal;
  readonly beforeStep?: (step: number) => Promise<void> | void;
  readonly timeLimitMs?: number;
  readonly maxSteps?: number;
  readonly logEvery: number;
}

export interface FineTuneOutcome extends TrainingOutcome {
  /** What a person should know of the result besides its figures; also reported as warnings. */
  readonly findings: readonly Finding[];
  /** The head of the result, with its fit where one was asked for. */
  readonly head: Answerer;
  /** What the fit of the head's decisions changed; absent where none was asked for. */
  readonly calibrated?: FittedDecisions["calibrated"];
  /** What the result answers to the run's evaluation data; absent without any. */
  readonly predictions?: DatasetPredictions;
  /** Paths of the prediction files that the final evaluation left. */
  readonly predictionFiles: readonly string[];
}

/**
 * Runs (or resumes) a prepared fine-tune to its end, and leaves the predictions of the weights it keeps in the run's directory.
 */
export async function runFineTune(prepared: PreparedFineTune, options: RunOptions): Promise<FineTuneOutcome> {
  const { spec, resolved, source, stepSpec, initial, head } = prepared;
  const { settings } = resolved;
  const { openExecutor, openEvaluator, ...rest } = options;
  const evaluator = prepared.data.eval === undefined ? undefined : await openEvaluator(prepared);
  try {
    for (const message of prepared.warnings) options.onEvent({ kind: "warning", reason: "PREPARED", message });
    const outcome = await train({
      ...rest,
      computedOn: executorText(spec.executor),
      openExecutor: (state, stage) => openExecutor(stageSpec(prepared, stage), state, spec.executor),
      ...stagesOf(prepared),
      initial,
      data: source,
      schedule: scheduleOf(prepared),
      seed: settings.seed,
      checkpoints: await CheckpointStore.open({
        directory: join(spec.work, "checkpoints"),
        identity: checkpointIdentity(prepared),
        keepLast: settings.keepCheckpointMax,
      }),
      checkpointEvery: settings.saveCheckpointsSteps,
      ...(evaluator === undefined
        ? {}
        : {
            evaluation: {
              every: settings.saveCheckpointsSteps,
              selection: selectionOf(settings),
              run: (parameters: ReadonlyMap<string, Tensor>, step: number) => evaluator.run(parameters, step),
            },
          }),
      divergence: {
        ...(head.kind === "classification" && head.problemType === "single-label" && stepSpec.distillation === undefined
          ? { labels: head.labels.length }
          : {}),
        fromStep: settings.warmupStep,
        windowSteps: Math.max(50, Math.ceil(settings.trainStep * 0.02)),
      },
      maxRestarts: settings.maxRestarts,
      stepsPerRun: settings.iterationsPerLoop,
    });
    const findings: Finding[] = [];
    const find = (finding: Finding | undefined) => {
      if (finding === undefined) return;
      findings.push(finding);
      options.onEvent({ kind: "warning", ...finding });
    };
    if (outcome.stoppedBy !== "aborted") find(lookAtLosses(outcome.losses));
    const evaluation = prepared.data.eval;
    if (evaluator === undefined || evaluation === undefined || outcome.stoppedBy === "aborted") {
      return { ...outcome, head, predictionFiles: [], findings };
    }
    const { best, step } = outcome.progress;
    const keptStep = best?.step ?? step;
    const { calibrate } = settings;
    const fitted = calibrate === "none" ? undefined : await evaluator.fit(outcome.parameters, calibrate);
    const answering = fitted?.head ?? head;
    const evaluations = await evaluator.final(outcome.parameters, keptStep, answering);
    const predictionFiles = await writeFinalEvaluations(spec.work, evaluations, keptStep);
    const metrics = namedMetrics(evaluations);
    const baseline = await trivialBaseline(head, prepared.data.train, evaluation);
    if (baseline !== undefined) find(compareWithBaseline(baseline, metrics));
    if (outcome.plainParameters !== undefined) {
      const plain = await evaluator.run(outcome.plainParameters, keptStep);
      find(compareAverages(settings.metric, metrics[settings.metric], plain[settings.metric]));
    }
    const fit = fitted === undefined ? {} : { calibrated: fitted.calibrated };
    const predictions = evaluations[0] === undefined ? {} : { predictions: evaluations[0].predictions };
    return { ...outcome, head: answering, ...fit, metrics, ...predictions, predictionFiles, findings };
  } finally {
    await evaluator?.close();
  }
}

/** The stages of a run that unfreezes its layers one after the other. */
function stagesOf({ resolved: { settings }, stepSpec }: PreparedFineTune) {
  const { unfreezeStep: every } = settings;
  return every === 0 ? {} : { stages: { every, count: unfreezingStages(stepSpec.config) } };
}

/** What a step of a stage computes: parameters of groups that do not learn yet stay as they are. */
function stageSpec({ resolved: { settings }, stepSpec, initial }: PreparedFineTune, stage: number): StepSpec {
  if (settings.unfreezeStep === 0) return stepSpec;
  const waiting = stillFrozen(initial.parameters.keys(), stepSpec.config.numHiddenGroups, stage);
  return { ...stepSpec, frozen: new Set([...(stepSpec.frozen ?? []), ...waiting]) };
}

/** What a run starts from: a checkpoint, random weights, or a student made for its teacher. */
async function openBeginning({ start, distillation }: FineTuneSpec, teacher: Model | undefined, seed: number) {
  if (start.kind !== "student") return openStart(start, seed);
  invariant(teacher !== undefined, "a student has a teacher");
  return openStudent(start, teacher, distillation?.given.studentStart ?? "teacher", seed);
}

function settled({ distillation }: FineTuneSpec, facts: DistillationFacts): PreparedDistillation {
  return prepareDistillation(distillation?.given ?? {}, facts);
}

/** How often a run sees every example. */
function passesOf({ trainStep, trainBatchSize }: ResolvedSettings["settings"], { examples }: RunFacts): number {
  return (trainStep * trainBatchSize) / Math.max(1, examples);
}

function selectionOf({ metric, patience }: ResolvedSettings["settings"]): Selection {
  return { metric, goal: goalOf(metric), ...(patience > 0 ? { patience } : {}) };
}

/** What the result's manifest says about training it further: what is known of the model that it was made from. */
export function hintsOf({ start, resolved }: PreparedFineTune): { readonly fineTuning?: FineTuningHints } {
  const { rate, why, source } = resolved.fitting;
  if (start.hints !== undefined) return { fineTuning: start.hints };
  // A rate for random weights or a head alone says nothing of fine-tuning the result.
  return source === "test" && !start.fromScratch && !resolved.settings.headOnly
    ? { fineTuning: { learningRate: rate, measured: why } }
    : {};
}

/** What the result's manifest says about where it came from, but for who made it. */
export function lineageOf(
  { start, data, spec, resolved, distillation }: PreparedFineTune,
  { calibrated, repeats }: Pick<FineTuneOutcome, "calibrated"> & { readonly repeats?: Repeats },
): Lineage {
  const { train, eval: evaluation, unlabelled } = data;
  return {
    ...(start.digest === undefined ? {} : { parent: start.digest }),
    ...(distillation === undefined ? {} : { teacher: distillation.teacher.digest }),
    datasets: {
      train: train.digest,
      ...(evaluation === undefined ? {} : { eval: evaluation.digest }),
      ...(unlabelled === undefined ? {} : { unlabelled: unlabelled.digest }),
    },
    recipe: {
      ...{ task: spec.data.task, ...resolved.settings, ...distillation?.settings },
      ...(data.parts === undefined
        ? {}
        : { mix: data.parts.map(({ data: part, weight }) => ({ data: part.digest, weight })) }),
    },
    ...(calibrated === undefined ? {} : { calibrated }),
    ...(repeats === undefined ? {} : { repeats }),
  };
}

/** The course of the learning rate of a prepared run. */
export function scheduleOf({ resolved: { settings } }: PreparedFineTune): Schedule {
  return {
    shape: settings.schedule,
    learningRate: settings.learningRate,
    totalSteps: settings.trainStep,
    warmupSteps: settings.warmupStep,
  };
}

function startingParameters(
  start: StartingModel,
  head: Answerer,
  settings: ResolvedSettings["settings"],
): { parameters: Map<string, Tensor>; initialised: readonly string[] } {
  const { parameters, initialised } = parametersForHeads(start, headsOf(head), settings.seed);
  const renewed = modelParameters(start.config, headsOf(head)).filter(({ name }) =>
    matches(name, settings.reinitialize),
  );
  for (const spec of renewed) parameters.set(spec.name, initialiseParameter(spec, settings.seed));
  return { parameters, initialised: [...new Set([...initialised, ...renewed.map(({ name }) => name)])] };
}

function frozenNames(
  start: StartingModel,
  head: Answerer,
  settings: ResolvedSettings["settings"],
): ReadonlySet<string> {
  const all = modelParameters(start.config, headsOf(head)).map(({ name }) => name);
  const unknown = settings.freeze.filter((part) => !all.some((name) => name.includes(part)));
  if (unknown.length > 0) {
    const description = `no parameter's name contains ${unknown.join(" or ")}`;
    throw invalidInput([{ field: "freeze", description }]);
  }
  const trunk = settings.headOnly ? trunkParameters(start.config).map(({ name }) => name) : [];
  return new Set([...trunk, ...all.filter((name) => matches(name, settings.freeze))]);
}

/** Refuses a fit that could not be made when the run has ended. */
function checkCalibration(
  { calibrate }: ResolvedSettings["settings"],
  head: Answerer,
  { eval: held }: CheckedData,
): void {
  if (calibrate === "none") return;
  const refusal = whyUnfitted(head, calibrate);
  const few = `needs evaluation data of at least ${FEWEST_FITTED_ROWS} examples, got ${held?.count ?? 0}`;
  const description = refusal?.description ?? ((held?.count ?? 0) < FEWEST_FITTED_ROWS ? few : undefined);
  if (description !== undefined) throw invalidInput([{ field: "calibrate", description }]);
}

/** How vectors learn. */
function contrastiveOf({
  contrastiveLoss,
  similarityScale,
  tripletMargin,
  pooling,
}: TrainingSettings): ContrastiveLoss {
  const complete = [contrastiveLoss, similarityScale, tripletMargin, pooling].every((value) => value !== undefined);
  invariant(complete, "contrastive training has all of its settings");
  return { pooling: pooling!, kind: contrastiveLoss!, scale: similarityScale!, margin: tripletMargin! };
}

/** How the result turns a text into a vector, where that is what was trained. */
export function encodingOf({ head, resolved }: PreparedFineTune): { readonly encoding?: SentenceEncoding } {
  const { pooling } = resolved.settings;
  return head.kind === "vectors" && pooling !== undefined ? { encoding: { pooling, normalize: true } } : {};
}

/** @returns undefined for plain cross-entropy, and where the head knows no other loss */
async function lossOf(
  { labelSmoothing, focalGamma, classWeights: given }: ResolvedSettings["settings"],
  head: Answerer,
  { train }: CheckedData,
): Promise<ClassificationLoss | undefined> {
  const weights = await classWeights(given, head, train.examples);
  const chosen = Object.entries({ label_smoothing: labelSmoothing, focal_gamma: focalGamma }).filter(([, x]) => x > 0);
  if (chosen.length > 0 && (head.kind !== "classification" || head.problemType !== "single-label")) {
    const description = "changes the loss of a classification with one label a text; leave it out here";
    throw invalidInput(chosen.map(([field]) => ({ field, description })));
  }
  if (chosen.length === 0 && weights === undefined) return undefined;
  return { labelSmoothing, focalGamma, ...(weights === undefined ? {} : { classWeights: weights }) };
}

function matches(name: string, parts: readonly string[]): boolean {
  return parts.some((part) => name.includes(part));
}

/** What a checkpoint must agree with to be continued by this run. */
export function checkpointIdentity({
  spec,
  start,
  resolved,
  source,
  features,
  stepSpec,
  distillation,
}: PreparedFineTune): CheckpointIdentity {
  // How many checkpoints are kept, how many steps run together and which other runs there are changes nothing about the run.
  const { keepCheckpointMax: _, iterationsPerLoop: __, seeds: ___, publish: ____, ...settings } = resolved.settings;
  return {
    digests: {
      features: features.digest,
      order: source.order.digest,
      architecture: digestOf(albertConfigToJson(stepSpec.config)),
      settings: digestOf(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1))),
      start: start.digest ?? "random",
      ...(distillation === undefined
        ? {}
        : { distillation: digestOf([distillation.teacher.digest, distillation.settings]) }),
      // Earlier releases averaged otherwise.
      ...(resolved.settings.emaDecay > 0 ? { average: "warmed-up" } : {}),
    },
    fingerprint: executorFingerprint(spec.executor),
  };
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
