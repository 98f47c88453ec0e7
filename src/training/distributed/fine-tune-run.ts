import { relative, resolve } from "node:path";
import { invalidInput } from "../../errors.ts";
import { headsOf } from "../../model/heads.ts";
import { checkpointIdentity, type FineTuneSpec, type PreparedFineTune, scheduleOf } from "../fine-tune.ts";
import type { Task } from "../settings/recipes.ts";
import { writeDistributedRun } from "./run-files.ts";

// Writes a prepared fine-tune for the trainer of `distributed/`.

/** @throws AlbertError invalid-input for a run that `distributed/` does not know, before anything is read */
export function refuseDistributedFineTune({ data, given }: Pick<FineTuneSpec, "data" | "given">): void {
  const { seeds = 1, folds = 0, unfreezeStep = 0, headOnly = false, emaDecay = 0 } = given;
  const refused: readonly (readonly [asked: boolean, field: string, description: string])[] = [
    [seeds > 1, "seeds", "distributed training trains one run: give each seed a run of its own"],
    [folds > 0, "folds", "distributed training trains one run: hold out a part by --eval or --eval-share"],
    [unfreezeStep > 0, "unfreeze_step", "distributed training unfreezes nothing on its way; leave it out"],
    [headOnly, "head_only", "distributed training always computes the trunk; leave it out"],
    [emaDecay > 0, "ema_decay", "distributed training keeps no averages; leave it out"],
    [data.mix !== undefined, "train", "distributed training reads one file"],
    [UNKNOWN_TASKS.includes(data.task), "task", `distributed training knows all tasks but ${UNKNOWN_TASKS.join(", ")}`],
  ];
  const violations = refused.flatMap(([asked, field, description]) => (asked ? [{ field, description }] : []));
  if (violations.length > 0) throw invalidInput(violations);
}

const UNKNOWN_TASKS: readonly Task[] = ["race", "multiple-choice", "contrastive"];

/**
 * Writes a run that `distributed/` trains on the same batches as `runFineTune`. Features inside the directory are named by their
 * place in it, so that it can be moved as a whole.
 *
 * @param prepared  of what {@link refuseDistributedFineTune} lets pass
 */
export async function writeDistributedFineTune(directory: string, prepared: PreparedFineTune): Promise<void> {
  const { start, head, stepSpec, initial, resolved, features, source } = prepared;
  const { settings } = resolved;
  const { labelSmoothing = 0, focalGamma = 0, classWeights } = stepSpec.loss ?? {};
  await writeDistributedRun(directory, {
    task: "fine-tuning",
    ...{ start, heads: headsOf(head), stepSpec, initial },
    schedule: scheduleOf(prepared),
    settings,
    identity: checkpointIdentity(prepared),
    data: {
      features: relative(resolve(directory), resolve(features.directory!)), // one file has one store
      batch_size: settings.trainBatchSize,
      grouping: settings.grouping,
      buckets: source.order.buckets.map(({ rows, sequenceLength }) => ({ rows, sequence_length: sequenceLength })),
      loss: { label_smoothing: labelSmoothing, focal_gamma: focalGamma, class_weights: classWeights ?? null },
    },
  });
}
