import { join } from "node:path";
import { exportHuggingFace } from "../../model/checkpoint/export-checkpoint.ts";
import type { AlbertConfig } from "../../model/config.ts";
import { familyNamed } from "../../model/families/families.ts";
import { blockScopes } from "../../model/forward/encoder.ts";
import { headScope } from "../../model/forward/heads/scope.ts";
import { type Head, kindsWithoutScope, readsPooled } from "../../model/heads.ts";
import { excludedFromDecay, modelParameters } from "../../model/parameters.ts";
import { writeNewFile } from "../../platform/atomic-files.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { CheckpointIdentity } from "../checkpoints.ts";
import { layerRate } from "../layer-decay.ts";
import { optimizerSettings } from "../optimizer.ts";
import type { Schedule } from "../schedule.ts";
import type { StartingModel } from "../starting-model.ts";
import type { StepSpec, TrainState } from "../step/training-step.ts";

// Writes a prepared run for the trainer of `distributed/`, which knows no default and no name that is not in these files.

/** The file that says what a run is; written last. */
const RUN_FILE = "run.json";

/** A prepared run of either kind. */
export interface DistributedRun {
  readonly task: "pretraining" | "fine-tuning";
  readonly start: StartingModel;
  /** The heads that are trained, and no others. */
  readonly heads: readonly Head[];
  readonly stepSpec: StepSpec;
  readonly initial: TrainState;
  readonly schedule: Schedule;
  /** Of the recipe, which has more of them for each task. */
  readonly settings: {
    readonly maxSeqLength: number;
    readonly seed: number;
    readonly maxRestarts: number;
    readonly saveCheckpointsSteps: number;
    readonly keepCheckpointMax: number;
  };
  /** What checkpoints name as the run that they are of. */
  readonly identity: CheckpointIdentity;
  /** What the batches are made of: of its own form for each task. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Writes a run into its directory, which may hold its data already: `start/`, the starting weights as a Hugging Face directory
 * that the result will be like, and `run.json`, every setting by its value.
 *
 * @throws AlbertError already-exists when the directory holds a run
 */
export async function writeDistributedRun(directory: string, run: DistributedRun): Promise<void> {
  const { start, heads, stepSpec, initial, schedule, settings, identity } = run;
  await makeDirectory(directory);
  await exportHuggingFace(join(directory, "start"), {
    ...{ config: start.config, heads, parameters: initial.parameters, maxSequenceLength: settings.maxSeqLength },
    vocabulary: start.vocabulary,
  });
  const { kind, beta1, beta2, epsilon, weightDecay, clipNorm } = optimizerSettings(stepSpec.optimizer);
  const json = {
    format: "albert-distributed-run",
    format_version: 1,
    task: run.task,
    objective: stepSpec.objective.kind,
    model: modelOf(stepSpec.config, stepSpec.headDropout),
    heads: heads.map((head) => ({
      kind: head.kind,
      scope: headScope(head, ""),
      untied: head.kind === "masked-lm" && head.untied === true,
    })),
    parameters: parametersOf(stepSpec, heads),
    optimizer: { kind, beta1, beta2, epsilon, weight_decay: weightDecay, clip_norm: clipNorm },
    schedule: {
      shape: schedule.shape,
      learning_rate: schedule.learningRate,
      total_steps: schedule.totalSteps,
      warmup_steps: schedule.warmupSteps,
      power: schedule.power ?? 1,
      warmup_start: schedule.warmupStart ?? 0,
    },
    seed: settings.seed,
    max_restarts: settings.maxRestarts,
    checkpoints: {
      every: settings.saveCheckpointsSteps,
      keep_last: settings.keepCheckpointMax,
      digests: identity.digests,
    },
    data: run.data,
  };
  await writeNewFile(join(directory, RUN_FILE), Buffer.from(`${JSON.stringify(json, null, 2)}\n`));
}

function modelOf(config: AlbertConfig, headDropout: number) {
  return {
    blocks: blockScopes(config),
    attention_heads: config.numAttentionHeads,
    hidden_act: config.hiddenAct,
    pooler_act: config.poolerAct,
    layer_norm_eps: config.layerNormEps,
    embedding_projection: config.embeddingProjection,
    token_types: config.typeVocabSize > 0,
    hidden_dropout: config.hiddenDropoutProb,
    attention_dropout: config.attentionProbsDropoutProb,
    head_dropout: headDropout,
  };
}

/** Each parameter with its name in `start/model.safetensors`, and how the optimizer treats it. */
function parametersOf({ config, frozen, optimizer }: StepSpec, heads: readonly Head[]) {
  const family = familyNamed(config.family);
  const kinds = kindsWithoutScope(heads);
  const decay = optimizerSettings(optimizer).layerDecay;
  const pooled = heads.some(({ kind }) => readsPooled(kind));
  return modelParameters(config, heads).map(({ name, hfName, hfTransposed }) => ({
    name,
    tensor: family.tensorName(hfName, kinds),
    transposed: hfTransposed,
    decayed: !excludedFromDecay(name),
    rate: layerRate(name, config.numHiddenGroups, decay),
    trained: frozen?.has(name) !== true && (pooled || !name.startsWith("bert/pooler/")),
  }));
}
