import { openModelDirectory } from "../../../model/directory/open-model-directory.ts";
import { taskModel } from "../../../tasks/plan.ts";
import { QA_DEFAULTS } from "../../../tasks/question-answering/span-plan.ts";
import type { SequenceLengths } from "../../../training/data/length-statistics.ts";
import type { DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import type { ValidationOptions } from "../../../training/data/validate-dataset.ts";
import { type LabelsFrom, labelRule } from "../../../training/features/task-data.ts";

// What decides how a thread judges data: the other set, and the model that it must suit.

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

/** The rules by which a validation judges rows; opens the model where one is named. */
export async function judgingBy(
  { data, evaluation, model }: Validation,
  signal: AbortSignal,
): Promise<ValidationOptions> {
  const options: ValidationOptions = { signal, ...(evaluation === undefined ? {} : { evaluation }) };
  if (model === undefined) return options;
  const opened = await openModelDirectory(model.directory);
  return {
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
  };
}
