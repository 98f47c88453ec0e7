import { relative, resolve } from "node:path";
import { invalidInput, invariant } from "../errors.ts";
import { writeDistributedRun } from "../training/distributed/run-files.ts";
import { scheduleOf } from "./hyperparameters.ts";
import { checkpointIdentity, type PreparedPretraining, type PretrainSpec } from "./pretrain.ts";
import { EVALUATION_SEED, instanceOptions, isRecordFile } from "./pretraining-data.ts";

// Writes a prepared pretraining run for the trainer of `distributed/`.

/** @throws AlbertError invalid-input for a run that `distributed/` does not know, before anything is read */
export function refuseDistributed({ files, teacher }: Pick<PretrainSpec, "files" | "teacher">): void {
  const violations = [
    ...(files.some(isRecordFile)
      ? [{ field: "input", description: "distributed training reads text: TFRecord files are masked already" }]
      : []),
    ...(teacher === undefined
      ? []
      : [{ field: "teacher", description: "distributed training learns from no teacher" }]),
  ];
  if (violations.length > 0) throw invalidInput(violations);
}

/**
 * Writes a run that `distributed/` trains on the same batches as `runPretraining`. Token stores inside the directory are named
 * by their place in it, so that it can be moved as a whole.
 *
 * @param prepared  of what {@link refuseDistributed} lets pass
 */
export async function writeDistributedPretraining(directory: string, prepared: PreparedPretraining): Promise<void> {
  const { spec, start, heads, data, source, stepSpec, initial } = prepared;
  const { settings } = spec;
  invariant(data.stores !== undefined, "callers look whether the run reads text");
  const place = (store: string) => relative(resolve(directory), resolve(store));
  const { train, evaluation } = data.stores;
  const options = instanceOptions(settings);
  await writeDistributedRun(directory, {
    task: "pretraining",
    ...{ start, heads, stepSpec, initial },
    schedule: scheduleOf(settings),
    settings,
    identity: checkpointIdentity(prepared),
    data: {
      store: place(train),
      ...(evaluation === undefined ? {} : { evaluation_store: place(evaluation) }),
      held_out: settings.heldOut,
      evaluation: { seed: EVALUATION_SEED, instances: settings.evalInstances, sequence_length: settings.maxSeqLength },
      batch_size: settings.trainBatchSize,
      stages: source.stages.map(({ fromStep, sequenceLength, rows, predictions, packing }) => ({
        from_step: fromStep,
        sequence_length: sequenceLength,
        rows,
        predictions,
        packing: packing === undefined ? null : packing,
      })),
      instances: {
        short_sequence_prob: options.shortSequenceProb,
        random_next_sentence: options.randomNextSentence,
        single_sentence: options.singleSentence,
        masked_lm_prob: options.maskedLmProb,
        max_predictions_per_sequence: options.maxPredictionsPerSequence,
        ngram: options.ngram,
        favor_shorter_ngram: options.favorShorterNgram,
        whole_word_mask: options.wholeWordMask,
        permutation: options.permutation,
        official_quirks: options.officialQuirks,
      },
    },
  });
}
