import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import { answerCall } from "../../platform/threads/worker-rpc.ts";
import { taskModel } from "../../tasks/plan.ts";
import { QA_DEFAULTS } from "../../tasks/question-answering/span-plan.ts";
import type { DatasetReport } from "../../training/data/dataset-report.ts";
import type { SequenceLengths } from "../../training/data/length-statistics.ts";
import type { DatasetSpec } from "../../training/data/rows/dataset-rows.ts";
import { type ValidationOptions, validateDataset } from "../../training/data/validate-dataset.ts";
import { type LabelsFrom, labelRule } from "../../training/features/task-data.ts";

/** Data to be checked, as files of this machine. */
export interface Validation {
  readonly data: DatasetSpec;
  /** Data whose rows are looked for in it. */
  readonly evaluation?: DatasetSpec;
  /** The model that it must suit, and what of it counts. */
  readonly model?: {
    readonly directory: string;
    /** As in a recipe. */
    readonly labelsFrom?: LabelsFrom;
    readonly lengths: Partial<SequenceLengths>;
  };
  /** Whether it yields to other threads. */
  readonly background: boolean;
}

// The entry point of a thread: reading, judging and tokenising every row would keep the main thread from answering.

await answerCall<Validation, DatasetReport>(async (validation, signal) => {
  if (validation.background) lowerThreadPriority();
  return await validate(validation, signal);
});

async function validate({ data, evaluation, model }: Validation, signal: AbortSignal): Promise<DatasetReport> {
  const options: ValidationOptions = { signal, ...(evaluation === undefined ? {} : { evaluation }) };
  if (model === undefined) return validateDataset(data, options);
  const opened = await openModelDirectory(model.directory);
  return validateDataset(data, {
    ...options,
    ...labelRule(
      { ...data, ...(model.labelsFrom === undefined ? {} : { labelsFrom: model.labelsFrom }) },
      opened.heads,
    ),
    lengths: {
      tokenizer: opened.tokenizer,
      maxSequenceLength: taskModel(opened).maxSequenceLength,
      maxQueryLength: QA_DEFAULTS.maxQueryLength,
      docStride: QA_DEFAULTS.docStride,
      ...model.lengths,
    },
  });
}
