import { invariant } from "../errors.ts";
import type { AlbertConfig } from "../model/config.ts";
import { headsOf } from "../model/heads.ts";
import { modelParameters } from "../model/parameters.ts";
import { sizeOf } from "../model/tensor.ts";
import { POOLED_OUTPUT } from "../runtime/engine.ts";
import type { Distillation } from "./distillation/distillation.ts";
import { comparesStates } from "./distillation/distillation-loss.ts";
import type { PreparedDistillation } from "./distillation/prepare-distillation.ts";
import { executorSettings } from "./executors/executor-options.ts";
import { outputOf } from "./features/frozen-encoder-features.ts";
import type { PreparedFineTune } from "./fine-tune.ts";
import { DISTILLATION } from "./settings/distillation.ts";
import { FINE_TUNING, type SettingName } from "./settings/fine-tuning.ts";
import { nameOf } from "./settings/table.ts";
import type { Bucket } from "./step/length-buckets.ts";
import type { StepData } from "./step/step-data.ts";
import type { Batch, ExecutorOptions, OpenExecutor } from "./step/training-step.ts";

// What a fine-tuning run would do and take, by arithmetic and by measurement.

/** One setting of a run as a person reads it. */
export interface AppliedSetting {
  readonly name: string;
  readonly value: string;
  /** "given", or why the value applies. */
  readonly origin: string;
}

/** What a run would do. */
export interface TrainingPlan {
  readonly examples: number;
  /** Rows of the training file by label, those that are held out included; see `DatasetReport.labels`. Empty for pretraining. */
  readonly labels: Readonly<Record<string, number>>;
  /** Runs with a seed or fold each; absent for one. `steps`, `tokens`, disk and time are then those of all. */
  readonly runs?: number;
  readonly steps: number;
  /** Of one run. */
  readonly epochs: number;
  /** Tokens of the whole run, without padding. */
  readonly tokens: number;
  /** Share of computed tokens that are padding. */
  readonly paddingShare: number;
  readonly buckets: readonly Bucket[];
  readonly parameters: number;
  /** By arithmetic: weights, slots and gradients twice over, and the activations of the largest micro-batch. */
  readonly estimatedMemoryBytes: number;
  /** Of the longest micro-batches, measured; absent where nothing was measured. */
  readonly peakMemoryBytes?: number;
  /** Of all checkpoints that are kept, and the result. */
  readonly diskBytes: number;
  /** From the fastest and the slowest measured shape, without evaluation; absent where nothing was measured. */
  readonly etaSeconds?: readonly [low: number, high: number];
  readonly settings: readonly AppliedSetting[];
  readonly warnings: readonly string[];
}

/** Plans a prepared run by arithmetic alone. */
export function planFineTune({
  spec,
  resolved,
  source,
  data,
  start,
  head,
  distillation,
  warnings,
}: PreparedFineTune): TrainingPlan {
  const { settings, reasons } = resolved;
  const padding = source.order.padding();
  const epochs = settings.trainStep / source.stepsPerEpoch;
  const parameters = modelParameters(start.config, headsOf(head)).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const slots = settings.headOnly ? 1 : settings.emaDecay > 0 ? 4 : 3;
  // Recent checkpoints, the best, one being written, and the finished model.
  const diskBytes = parameters * 4 * (slots * (settings.keepCheckpointMax + 2) + 1);
  const names = Object.keys(FINE_TUNING).filter((key): key is SettingName => key in settings);
  const pooled = head.kind !== "vectors" && outputOf(head) === POOLED_OUTPUT;
  const { buckets } = source.order;
  return {
    examples: data.train.count + (data.unlabelled?.count ?? 0),
    labels: data.reports[0]?.labels ?? {},
    steps: settings.trainStep,
    epochs,
    tokens: padding.tokens * epochs,
    paddingShare: padding.share,
    buckets,
    parameters,
    estimatedMemoryBytes:
      parameters * 4 * (2 * slots + 1) +
      activationBytes(buckets, start.config, data.choices, pooled && !comparesStates(distillation?.step)) +
      (distillation?.step.teacher === undefined ? 0 : teacherBytes(distillation.step, buckets, data.choices)),
    diskBytes,
    settings: [
      ...names.map((key) => ({ name: nameOf(key), value: textOf(settings[key]), origin: reasons[key] })),
      ...(distillation === undefined ? [] : distillationSettings(distillation)),
      ...mixSettings(data.parts),
      ...executorSettings(spec.executor),
    ],
    warnings,
  };
}

/** The shares in which several files are drawn. */
function mixSettings(parts: PreparedFineTune["data"]["parts"] = []): AppliedSetting[] {
  if (parts.length === 0) return [];
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const shares = parts.map(({ data, weight }) => `${Number(((100 * weight) / total).toFixed(1))} % of ${data.count}`);
  return [
    { name: "mix", value: shares.join(", "), origin: "given: share of what is drawn, and examples, of each file" },
  ];
}

function distillationSettings({ settings, reasons }: PreparedDistillation): AppliedSetting[] {
  const keys = Object.keys(DISTILLATION) as (keyof typeof DISTILLATION)[]; // the table's own
  return keys.map((key) => ({ name: nameOf(key), value: textOf(settings[key]), origin: reasons[key] }));
}

/** What a teacher that computes in the step takes: its weights, and one pass of which little is kept. */
export function teacherBytes({ teacher }: Distillation, buckets: readonly Bucket[], sequences: number): number {
  invariant(teacher !== undefined, "this teacher computes in the step");
  const weights = [...teacher.parameters.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return weights * 4 + activationBytes(buckets, { ...teacher.config, numHiddenLayers: 2 }, sequences, false);
}

/**
 * Adds what only running shows: a few steps in the longest and the most common shape, on a copy of the starting weights.
 */
export async function measurePlan(
  plan: TrainingPlan,
  prepared: PreparedFineTune,
  tools: MeasuringTools,
): Promise<TrainingPlan> {
  const { source, spec } = prepared;
  const steps: StepData[] = [];
  for (const step of representativeSteps(source.order)) steps.push(await source.step(step, 0));
  const batches = steps.map(({ microBatches }) => microBatches);
  const { milliseconds, peakMemoryBytes } = await measureSteps(prepared, spec.executor, batches, tools);
  const perToken = steps.map(({ computedTokens }, i) => milliseconds[i]! / computedTokens);
  const computedTokens = plan.tokens / (1 - plan.paddingShare);
  const seconds = (millisecondsPerToken: number) => (millisecondsPerToken * computedTokens) / 1000;
  return {
    ...plan,
    peakMemoryBytes,
    etaSeconds: [seconds(Math.min(...perToken)), seconds(Math.max(...perToken))],
  };
}

/** What measuring takes. */
export interface MeasuringTools {
  readonly openExecutor: OpenExecutor;
  readonly clock: () => number;
  /** Memory of this process. */
  readonly residentBytes: () => number;
}

/**
 * Runs steps on a copy of a run's starting weights, each a few times.
 *
 * @param steps  micro-batches of each
 * @returns the fastest time of each step, and the memory that was held at most
 */
export async function measureSteps(
  { stepSpec, initial }: Pick<PreparedFineTune, "stepSpec" | "initial">,
  options: ExecutorOptions,
  steps: readonly (readonly Batch[])[],
  tools: MeasuringTools,
): Promise<{ readonly milliseconds: readonly number[]; readonly peakMemoryBytes: number }> {
  const executor = await tools.openExecutor(stepSpec, initial, options);
  try {
    const milliseconds: number[] = [];
    let peakMemoryBytes = 0;
    for (const [step, batches] of steps.entries()) {
      let fastest = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 3; run++) {
        const from = tools.clock();
        await executor.step(batches, { learningRate: 0, seed: [0, step] });
        if (run > 0) fastest = Math.min(fastest, tools.clock() - from); // the first run builds the graph
        peakMemoryBytes = Math.max(peakMemoryBytes, tools.residentBytes());
      }
      milliseconds.push(fastest);
    }
    return { milliseconds, peakMemoryBytes };
  } finally {
    await executor.close();
  }
}

/**
 * What the backward pass keeps of one micro-batch: some fourteen tensors of hidden size and four wide ones a layer. One graph
 * keeps its memory between steps, the one that runs has its own.
 *
 * @param firstTokens  whether only first tokens are read: the last layer then has keys and values of the others, no more
 */
export function activationBytes(
  buckets: readonly Bucket[],
  config: AlbertConfig,
  sequences: number,
  firstTokens: boolean,
): number {
  const { hiddenSize: H, intermediateSize: F, numHiddenLayers: L, numAttentionHeads: A } = config;
  const floats = buckets.map(({ rows, sequenceLength: S }) => {
    const layer = 14 * H + 4 * F + 4 * A * S;
    return rows * sequences * S * ((L - 1) * layer + (firstTokens ? 2 * H : layer));
  });
  return 4 * Math.max(...floats) * Math.min(buckets.length, 2);
}

/** One step in the longest shape and one in the shape that most steps have. */
function representativeSteps(order: PreparedFineTune["source"]["order"]): number[] {
  const firstStep = new Map<number, number>();
  const count = new Map<number, number>();
  for (let step = 0; step < order.stepsPerEpoch; step++) {
    const { sequenceLength } = order.microBatches(step)[0]!.bucket;
    if (!firstStep.has(sequenceLength)) firstStep.set(sequenceLength, step);
    count.set(sequenceLength, (count.get(sequenceLength) ?? 0) + 1);
  }
  const longest = Math.max(...count.keys());
  const [commonest] = [...count].sort(([, a], [, b]) => b - a)[0]!;
  return [...new Set([firstStep.get(longest)!, firstStep.get(commonest)!])];
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(",") || "none" : String(value);
}
