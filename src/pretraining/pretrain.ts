import { createHash } from "node:crypto";
import { join } from "node:path";
import { invalidInput } from "../errors.ts";
import { albertConfigToJson } from "../model/config.ts";
import type { Lineage, Model } from "../model/directory/model-directory.ts";
import { openModelDirectory } from "../model/directory/open-model-directory.ts";
import type { Head } from "../model/heads.ts";
import { parametersForHeads } from "../model/initialise.ts";
import type { Tensor } from "../model/tensor.ts";
import { createEngine } from "../runtime/packed-engine.ts";
import { type CheckpointIdentity, CheckpointStore } from "../training/checkpoints.ts";
import { openStudent, type StudentSpec } from "../training/distillation/student-start.ts";
import type { TrainingEvent } from "../training/events.ts";
import { executorFingerprint, executorText } from "../training/executors/executor-options.ts";
import { type TrainingOutcome, train } from "../training/loop.ts";
import { pretrainingObjective } from "../training/objectives.ts";
import { openStart, type StartingModel, type StartSpec } from "../training/starting-model.ts";
import type { ExecutorOptions, OpenExecutor, StepSpec, TrainState } from "../training/step/training-step.ts";
import type { TextReport } from "./corpus/text-documents.ts";
import { evaluatePretraining, type PretrainingMetrics } from "./evaluate.ts";
import { checkPretrainingSettings, type PretrainingSettings, scheduleOf, TEACHING } from "./hyperparameters.ts";
import { packedPredictions } from "./instances/packed-batch.ts";
import { PlateauWatch } from "./plateau.ts";
import { openPretrainingData, type PretrainingData } from "./pretraining-data.ts";
import { type PretrainingStage, PretrainingStepSource } from "./step-source.ts";
import { refuseTeaching, wordDistillation } from "./teacher.ts";

// A pretraining run: everything before the first step, the run itself, and the evaluation of its weights.

/** A pretraining run, as a person or a job asks for it. */
export interface PretrainSpec {
  /** A student to be made has the teacher's vocabulary, and needs a teacher. */
  readonly start: StartSpec | StudentSpec;
  /** A model directory or checkpoint with a masked-lm head, whose expectations at masked positions are learnt besides the text. */
  readonly teacher?: string;
  readonly files: readonly string[];
  readonly evalFiles?: readonly string[];
  readonly settings: PretrainingSettings;
  /** About what was given, such as names of earlier releases. */
  readonly warnings?: readonly string[];
  readonly executor: ExecutorOptions;
  /** Directory of checkpoints, logs and results. */
  readonly work: string;
  /** Directory of tokenised text, which runs may share. */
  readonly cache: string;
}

/** Everything that is known before the first step. */
export interface PreparedPretraining {
  readonly spec: PretrainSpec;
  readonly start: StartingModel;
  readonly heads: readonly [maskedLm: Head, sentenceOrder: Head];
  readonly data: PretrainingData;
  readonly source: PretrainingStepSource;
  readonly stepSpec: StepSpec;
  readonly initial: TrainState;
  /** Names of parameters drawn from the seed. */
  readonly initialised: readonly string[];
  /** Digest of the teacher, where there is one. */
  readonly teacherDigest?: string;
}

const MASKED_LM: Head = { name: "masked-lm", kind: "masked-lm" };
const SENTENCE_ORDER: Head = { name: "sentence-order", kind: "sentence-order" };

/**
 * Opens the model and the text and lays out the run. Nothing is trained.
 *
 * @throws AlbertError naming what is wrong with the model, the text or the settings
 */
export async function preparePretraining(
  spec: PretrainSpec,
  onActivity: (activity: string) => void = () => {},
): Promise<PreparedPretraining> {
  const { settings } = spec;
  onActivity("opening the model");
  const teacher = spec.teacher === undefined ? undefined : await openModelDirectory(spec.teacher);
  if (teacher === undefined) refuseTeaching(settings);
  const start = await openBeginning(spec, teacher);
  checkPretrainingSettings(settings, start.config);
  onActivity("reading the text");
  const data = await openPretrainingData({
    files: spec.files,
    ...(spec.evalFiles === undefined ? {} : { evalFiles: spec.evalFiles }),
    tokenizer: start.tokenizer,
    settings,
    cache: spec.cache,
    onProgress: (report: Readonly<TextReport>) => {
      if (report.sentences % 200_000 === 0) onActivity(`  ${report.sentences} sentences, ${report.tokens} tokens`);
    },
  });
  const distillation = teacher && wordDistillation(teacher, start, settings);
  const maskedLm = start.heads.find(({ kind }) => kind === "masked-lm") ?? MASKED_LM;
  const sentenceOrder = start.heads.find(({ kind }) => kind === "sentence-order") ?? SENTENCE_ORDER;
  const objective = pretrainingObjective(maskedLm, sentenceOrder);
  const { parameters, initialised } = parametersForHeads(start, objective.heads, settings.seed);
  const { dropout } = settings;
  return {
    spec,
    start,
    heads: [maskedLm, sentenceOrder],
    data,
    source: new PretrainingStepSource({
      objective,
      stages: stagesOf(data, settings),
      batchSize: settings.trainBatchSize,
    }),
    stepSpec: {
      config: {
        ...start.config,
        ...(dropout === undefined ? {} : { hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout }),
      },
      objective,
      optimizer: { kind: settings.optimizer, weightDecay: settings.weightDecay, clipNorm: settings.clipNorm },
      ...(distillation === undefined ? {} : { distillation }),
      headDropout: 0, // the official sentence-order head has none
    },
    initial: { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 },
    initialised,
    ...(teacher === undefined ? {} : { teacherDigest: teacher.digest }),
  };
}

async function openBeginning({ start, settings }: PretrainSpec, teacher: Model | undefined): Promise<StartingModel> {
  const { seed, studentStart } = settings;
  if (start.kind !== "student") return openStart(start, seed);
  if (teacher !== undefined) return openStudent(start, teacher, studentStart, seed);
  throw invalidInput([{ field: "student", description: "a student given as an architecture needs a teacher" }]);
}

/** What the result's manifest says about where it came from, but for who made it. */
export function pretrainingLineage({ spec, start, data, teacherDigest }: PreparedPretraining): Lineage {
  const { settings } = spec;
  const own = Object.entries(settings).filter(([key]) => teacherDigest !== undefined || !isTeaching(key));
  return {
    ...(start.digest === undefined ? {} : { parent: start.digest }),
    ...(teacherDigest === undefined ? {} : { teacher: teacherDigest }),
    datasets: { train: data.digest },
    recipe: { task: "pretraining", ...Object.fromEntries(own) },
  };
}

function isTeaching(key: string): boolean {
  return TEACHING.some((one) => one === key);
}

export interface PretrainOptions {
  readonly openExecutor: OpenExecutor;
  readonly resume: boolean;
  readonly onEvent: (event: TrainingEvent) => void;
  readonly clock: () => number;
  readonly logEvery: number;
  readonly signal?: AbortSignal;
  readonly beforeStep?: (step: number) => Promise<void> | void;
  readonly timeLimitMs?: number;
  readonly maxSteps?: number;
}

/** Runs (or resumes) a prepared run to its end; the weights kept are those of the lowest held-out loss. */
export async function runPretraining(
  prepared: PreparedPretraining,
  options: PretrainOptions,
): Promise<TrainingOutcome> {
  const { spec, data, source, stepSpec, initial } = prepared;
  const { settings } = spec;
  const { openExecutor, onEvent, ...rest } = options;
  for (const message of spec.warnings ?? []) onEvent({ kind: "warning", reason: "PREPARED", message });
  const plateau =
    data.entropy === undefined
      ? undefined
      : new PlateauWatch({
          unigramNats: data.entropy.nats,
          fromStep: settings.numWarmupSteps,
          windowSteps: Math.max(50, Math.ceil(settings.numTrainSteps * 0.1)),
        });
  return train({
    ...rest,
    computedOn: executorText(spec.executor),
    onEvent: (event) => {
      onEvent(event);
      const warning = plateau?.watch(event);
      if (warning !== undefined) onEvent(warning);
    },
    openExecutor: (state) => openExecutor(stepSpec, state, spec.executor),
    initial,
    data: source,
    schedule: scheduleOf(settings),
    seed: settings.seed,
    checkpoints: await CheckpointStore.open({
      directory: join(spec.work, "checkpoints"),
      identity: checkpointIdentity(prepared),
      keepLast: settings.keepCheckpointMax,
    }),
    checkpointEvery: settings.saveCheckpointsSteps,
    ...(data.heldOut === undefined
      ? {}
      : {
          evaluation: {
            every: settings.saveCheckpointsSteps,
            selection: { metric: "loss", goal: "lowest" as const },
            run: (parameters: ReadonlyMap<string, Tensor>) => evaluateWeights(prepared, parameters),
          },
        }),
    divergence: { fromStep: settings.numWarmupSteps, windowSteps: Number.MAX_SAFE_INTEGER },
    maxRestarts: settings.maxRestarts,
    stepsPerRun: settings.iterationsPerLoop,
  });
}

/** Measures weights on the held-out text through the serving graph. The run must have some. */
export async function evaluateWeights(
  { spec, start, heads, data }: PreparedPretraining,
  parameters: ReadonlyMap<string, Tensor>,
): Promise<PretrainingMetrics> {
  const [maskedLm, sentenceOrder] = heads;
  const { threads } = spec.executor;
  const engine = await createEngine(
    { config: start.config, heads, parameters },
    { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) },
  );
  try {
    const instances = data.heldOut!(spec.settings.maxSeqLength); // callers look whether there is any
    return await evaluatePretraining(engine, { maskedLm, sentenceOrder }, instances, spec.settings.evalInstances);
  } finally {
    await engine.close();
  }
}

/** Stages of growing length, the last with full sequences. */
function stagesOf(data: PretrainingData, settings: PretrainingSettings): PretrainingStage[] {
  const { curriculum, maxSeqLength, numTrainSteps } = settings;
  let fromStep = 0;
  const stages: PretrainingStage[] = [];
  for (const { sequenceLength, share } of curriculum) {
    stages.push(stageOf(data, settings, sequenceLength, fromStep));
    fromStep += Math.max(1, Math.round(share * numTrainSteps));
  }
  return [...stages, stageOf(data, settings, maxSeqLength, fromStep)];
}

function stageOf(
  data: PretrainingData,
  settings: PretrainingSettings,
  sequenceLength: number,
  fromStep: number,
): PretrainingStage {
  const { trainBatchSize, tokenBudget, maskedLmProb, maxPredictionsPerSeq, packSegments, seed } = settings;
  const kinds = settings.doPermutation ? 2 : 1; // masked tokens, and as many that change places
  const alone = Math.min(maxPredictionsPerSeq, Math.max(1, Math.ceil(maskedLmProb * sequenceLength)));
  const shared = packedPredictions(sequenceLength, packSegments, maskedLmProb, maxPredictionsPerSeq);
  return {
    fromStep,
    sequenceLength,
    // Stages and restarts draw from seeds far apart, so that neighbouring seeds of a user never share instances.
    instances: (attempt) => data.train(sequenceLength, seed + attempt * 2 ** 40 + fromStep * 2 ** 20),
    rows: Math.max(1, Math.min(trainBatchSize, Math.floor(tokenBudget / sequenceLength))),
    predictions: kinds * alone,
    ...(packSegments > 1 ? { packing: { segments: packSegments, predictions: kinds * shared } } : {}),
  };
}

/** What a checkpoint must agree with to be continued by this run. */
export function checkpointIdentity({
  spec,
  start,
  data,
  stepSpec,
  teacherDigest,
}: PreparedPretraining): CheckpointIdentity {
  // How much is kept and measured, and how many steps run together, changes nothing about the run.
  const { keepCheckpointMax: _, evalInstances: __, iterationsPerLoop: ___, ...settings } = spec.settings;
  const digestOf = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  return {
    digests: {
      text: data.digest,
      architecture: digestOf(albertConfigToJson(stepSpec.config)),
      settings: digestOf(
        Object.entries(settings)
          .filter(([key]) => teacherDigest !== undefined || !isTeaching(key))
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
      start: start.digest ?? "random",
      ...(teacherDigest === undefined ? {} : { teacher: teacherDigest }),
    },
    fingerprint: executorFingerprint(spec.executor),
  };
}
