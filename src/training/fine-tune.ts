import { createHash } from "node:crypto";
import { join } from "node:path";
import { invalidInput } from "../errors.ts";
import { albertConfigToJson } from "../model/config.ts";
import type { Head } from "../model/heads.ts";
import { initialiseParameter, parametersForHeads } from "../model/initialise.ts";
import { modelParameters, trunkParameters } from "../model/parameters.ts";
import type { Tensor } from "../model/tensor.ts";
import { POOLED_OUTPUT } from "../runtime/engine.ts";
import { type CheckpointIdentity, CheckpointStore } from "./checkpoints.ts";
import type { TrainingEvent } from "./events.ts";
import { type FeatureStore, openFeatures } from "./features/feature-cache.ts";
import { openTrunkOutputs, outputOf } from "./features/frozen-encoder-features.ts";
import { recordParameters, recordsOf } from "./features/records.ts";
import { type CheckedData, checkData, type TaskDataSpec } from "./features/task-data.ts";
import { type FinalEvaluator, namedMetrics, writeFinalEvaluations } from "./final-evaluation.ts";
import { type TrainingOutcome, train } from "./loop.ts";
import { type Objective, objectiveOf } from "./objectives.ts";
import type { Schedule } from "./schedule.ts";
import { checkSelection } from "./selection.ts";
import { type AlbertVersion, recipeOf } from "./settings/recipes.ts";
import { type GivenSettings, type ResolvedSettings, resolveSettings } from "./settings/settings.ts";
import { openStart, type StartingModel, type StartSpec } from "./starting-model.ts";
import { FeatureStepSource } from "./step/step-source.ts";
import type { ExecutorOptions, OpenExecutor, StepSpec, TrainState } from "./step/training-step.ts";

/** A fine-tuning run, as a person or a job asks for it. */
export interface FineTuneSpec {
  readonly data: TaskDataSpec;
  /** Which release's recipe applies. */
  readonly version: AlbertVersion;
  readonly start: StartSpec;
  readonly given: GivenSettings;
  readonly executor: ExecutorOptions;
  /** Directory of checkpoints, logs and results. */
  readonly work: string;
  /** Directory of the feature cache, which runs may share. */
  readonly cache: string;
}

/** Evaluates weights on the run's evaluation data. */
export interface Evaluator extends FinalEvaluator {
  /** Names of the metrics that `run` reports. */
  readonly metricNames: readonly string[];
  run(parameters: ReadonlyMap<string, Tensor>, step: number): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

export type OpenEvaluator = (prepared: PreparedFineTune) => Promise<Evaluator>;

/** Everything that is known before the first step. */
export interface PreparedFineTune {
  readonly spec: FineTuneSpec;
  readonly start: StartingModel;
  readonly head: Head;
  readonly objective: Objective;
  readonly resolved: ResolvedSettings;
  readonly data: CheckedData;
  readonly features: FeatureStore;
  readonly source: FeatureStepSource;
  readonly stepSpec: StepSpec;
  readonly initial: TrainState;
  /** Names of parameters drawn from the seed. */
  readonly initialised: readonly string[];
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the model, reads and checks all data, resolves every setting and makes (or finds) the features. Nothing is
 * trained.
 *
 * @throws AlbertError naming what is wrong with the model, the data (file:line:column) or the settings
 */
export async function prepareFineTune(
  spec: FineTuneSpec,
  onActivity: (activity: string) => void = () => {},
): Promise<PreparedFineTune> {
  const seed = spec.given.seed ?? 12345;
  onActivity("opening the model");
  const start = await openStart(spec.start, seed);
  onActivity("reading the data");
  const data = await checkData(spec.data, start.heads);
  const { head } = data;
  const resolved = resolveSettings(recipeOf(spec.data.task, spec.version), spec.given, {
    examples: data.train.count,
    config: start.config,
    fromScratch: start.fromScratch,
  });
  const { settings } = resolved;

  const { parameters, initialised } = startingParameters(start, head, settings);
  const frozen = frozenNames(start, head, settings);
  onActivity("making features");
  const dropped: string[] = [];
  const recordOptions = { ...settings, task: spec.data.task, head, tokenizer: start.tokenizer };
  const idFeatures = await openFeatures(
    spec.cache,
    {
      data: data.train.digest,
      tokenizer: start.tokenizer.digest,
      parameters: recordParameters(recordOptions),
    },
    () => recordsOf(data.train.examples(), { ...recordOptions, onDropped: ({ id }) => dropped.push(id) }),
  );
  const { threads } = spec.executor;
  let features = idFeatures;
  if (settings.headOnly) {
    onActivity("computing the trunk's outputs");
    const trunk = { start: { ...start, parameters }, head, ...(threads === undefined ? {} : { threads }) };
    features = await openTrunkOutputs(spec.cache, idFeatures, trunk);
    await idFeatures.close();
  }
  const objective = objectiveOf(head);
  const pooled = settings.headOnly && outputOf(head) === POOLED_OUTPUT;
  const source = new FeatureStepSource({
    features,
    objective,
    seed: settings.seed,
    batchSize: settings.trainBatchSize,
    tokenBudget: settings.tokenBudget,
    maxSequenceLength: pooled ? 1 : settings.maxSeqLength,
    sequencesPerExample: data.choices,
    grouping: settings.grouping,
    sizes: {
      ...(head.kind === "multiple-choice" ? { choices: data.choices } : {}),
      ...(settings.headOnly ? { cachedWidth: start.config.hiddenSize } : {}),
    },
  });
  return {
    spec,
    start,
    head,
    objective,
    resolved,
    data,
    features,
    source,
    stepSpec: {
      config: { ...start.config, hiddenDropoutProb: settings.dropout, attentionProbsDropoutProb: settings.dropout },
      objective,
      optimizer: { kind: settings.optimizer, weightDecay: settings.weightDecay, clipNorm: settings.clipNorm },
      headDropout: settings.headDropout,
      frozen,
      trunk: settings.headOnly ? "cached" : "computed",
      ...(settings.emaDecay > 0 ? { emaDecay: settings.emaDecay } : {}),
    },
    initial: { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 },
    initialised,
    warnings: [
      ...start.warnings,
      ...data.warnings,
      ...resolved.warnings,
      ...(dropped.length > 0
        ? [`${dropped.length} questions could not be aligned and are left out, as officially`]
        : []),
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
  readonly logEvery: number;
}

export interface FineTuneOutcome extends TrainingOutcome {
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
    const selection = {
      metric: settings.metric,
      goal: settings.metric.endsWith("loss") ? ("lowest" as const) : ("highest" as const),
      ...(settings.patience > 0 ? { patience: settings.patience } : {}),
    };
    if (evaluator !== undefined) checkSelection(selection, evaluator.metricNames);
    else if (settings.patience > 0) {
      throw invalidInput([{ field: "patience", description: "early stopping needs evaluation data" }]);
    }
    for (const message of prepared.warnings) options.onEvent({ kind: "warning", reason: "PREPARED", message });
    const outcome = await train({
      ...rest,
      openExecutor: (state) => openExecutor(stepSpec, state, spec.executor),
      initial,
      data: source,
      schedule: scheduleOf(prepared),
      seed: settings.seed,
      checkpoints: await CheckpointStore.open({
        directory: join(spec.work, "checkpoints"),
        identity: identityOf(prepared),
        keepLast: settings.keepCheckpointMax,
      }),
      checkpointEvery: settings.saveCheckpointsSteps,
      ...(evaluator === undefined
        ? {}
        : {
            evaluation: {
              every: settings.saveCheckpointsSteps,
              selection,
              run: (parameters: ReadonlyMap<string, Tensor>, step: number) => evaluator.run(parameters, step),
            },
          }),
      divergence: {
        ...(head.kind === "classification" && head.problemType === "single-label"
          ? { labels: head.labels.length }
          : {}),
        fromStep: settings.warmupStep,
        stretch: Math.max(50, Math.ceil(settings.trainStep * 0.02)),
      },
      maxRestarts: settings.maxRestarts,
      stepsPerRun: settings.iterationsPerLoop,
    });
    if (evaluator === undefined || outcome.stoppedBy === "aborted") return { ...outcome, predictionFiles: [] };
    const { best, step } = outcome.progress;
    const keptStep = best?.step ?? step;
    const evaluations = await evaluator.final(outcome.parameters, keptStep);
    const predictionFiles = await writeFinalEvaluations(spec.work, evaluations, keptStep);
    return { ...outcome, metrics: namedMetrics(evaluations), predictionFiles };
  } finally {
    await evaluator?.close();
  }
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
  head: Head,
  settings: ResolvedSettings["settings"],
): { parameters: Map<string, Tensor>; initialised: readonly string[] } {
  const { parameters, initialised } = parametersForHeads(start, [head], settings.seed);
  const renewed = modelParameters(start.config, [head]).filter(({ name }) => matches(name, settings.reinitialize));
  for (const spec of renewed) parameters.set(spec.name, initialiseParameter(spec, settings.seed));
  return { parameters, initialised: [...new Set([...initialised, ...renewed.map(({ name }) => name)])] };
}

function frozenNames(start: StartingModel, head: Head, settings: ResolvedSettings["settings"]): ReadonlySet<string> {
  const all = modelParameters(start.config, [head]).map(({ name }) => name);
  const unknown = settings.freeze.filter((part) => !all.some((name) => name.includes(part)));
  if (unknown.length > 0) {
    const description = `no parameter's name contains ${unknown.join(" or ")}`;
    throw invalidInput([{ field: "freeze", description }]);
  }
  const trunk = settings.headOnly ? trunkParameters(start.config).map(({ name }) => name) : [];
  return new Set([...trunk, ...all.filter((name) => matches(name, settings.freeze))]);
}

function matches(name: string, parts: readonly string[]): boolean {
  return parts.some((part) => name.includes(part));
}

/** What a checkpoint must agree with to be continued by this run. */
function identityOf({ spec, start, resolved, source, features, stepSpec }: PreparedFineTune): CheckpointIdentity {
  // How many checkpoints are kept, and how many steps run together, changes nothing about the run.
  const { keepCheckpointMax: _, iterationsPerLoop: __, ...settings } = resolved.settings;
  const { kind, device, threads } = spec.executor;
  return {
    digests: {
      features: features.digest,
      order: source.order.digest,
      architecture: digestOf(albertConfigToJson(stepSpec.config)),
      settings: digestOf(settings),
      start: start.digest ?? "random",
    },
    fingerprint: { executor: kind, device, threads: String(threads ?? "default"), node: process.version },
  };
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
