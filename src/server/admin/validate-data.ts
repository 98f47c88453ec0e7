import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DataFiles } from "../../deployment/data-files.ts";
import type { ValidateDatasetResponseSchema } from "../../gen/albert/v1/training_pb.js";
import { readingOf, splitRecipe } from "../../jobs/job-recipe.ts";
import type { DataSource } from "../../jobs/job-spec.ts";
import { taskOf } from "../../jobs/runner/job-control.ts";
import type { ThreadHost } from "../../platform/threads/hosted-thread.ts";
import { callThread } from "../../platform/threads/worker-rpc.ts";
import type { Store } from "../../store/store.ts";
import { formatLocation } from "../../tasks/datasets/data-source.ts";
import type { DatasetReport } from "../../training/data/dataset-report.ts";
import type { DatasetSpec } from "../../training/data/rows/dataset-rows.ts";
import { parseFineTuning } from "../../training/settings/fine-tuning.ts";
import type { Validation } from "./validation-thread.ts";

// Checks a data set on a thread of its own, as a fine-tune would.

/** What validation works with. */
export interface ValidationTools {
  readonly data: DataFiles;
  readonly store: Store;
  /** Whether it yields to other threads, such as those that serve. */
  readonly background: boolean;
  /** Where its thread runs. */
  readonly host: ThreadHost;
}

export interface DataCheck {
  readonly source: DataSource;
  readonly task: string;
  /** Model whose tokenizer and labels the data must suit; empty: none. */
  readonly model: string;
  readonly eval?: DataSource;
  /** Of the fine-tune that would read it. */
  readonly recipe: Readonly<Record<string, string>>;
}

/**
 * Reads a whole set, as a fine-tune with this recipe would, and reports every problem with its line.
 *
 * @throws AlbertError invalid-input for an unknown task or a recipe that no job would accept; not-found for an absent set or model;
 *   too-large WORK_TOO_LARGE; the signal's reason
 */
export async function validateData(
  { data, store, background, host }: ValidationTools,
  { source, task: taskName, model: modelName, eval: evaluation, recipe }: DataCheck,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ValidateDatasetResponseSchema>> {
  const task = taskOf(taskName, "task");
  const { own, settings } = splitRecipe({ kind: "fine-tune", recipe }, "recipe.");
  const { maxSeqLength, maxQueryLength, docStride } = parseFineTuning(settings, "recipe.").settings;
  const { problemType, labelsFrom } = own;
  const specOf = (path: string): DatasetSpec => ({
    task,
    paths: [path],
    ...(problemType === undefined ? {} : { problemType }),
    ...readingOf(own),
  });
  const lengths = {
    ...(maxSeqLength === undefined ? {} : { maxSequenceLength: maxSeqLength }),
    ...(maxQueryLength === undefined ? {} : { maxQueryLength }),
    ...(docStride === undefined ? {} : { docStride }),
  };
  const request = {
    background,
    data: specOf(await data.resolve(source, "source.path")),
    ...(evaluation === undefined
      ? {}
      : { evaluation: { ...specOf(await data.resolve(evaluation, "eval.path")), split: "dev" as const } }),
  };
  const entry = new URL("./validation-thread", import.meta.url);
  const validated = (model?: Validation["model"]) =>
    callThread<Validation, DatasetReport>(
      entry,
      import.meta.url,
      { ...request, ...(model === undefined ? {} : { model }) },
      signal,
      host,
    );
  const report =
    modelName === ""
      ? await validated()
      : await store.versions.open(await store.resolve(modelName, ""), (directory) =>
          validated({ directory, ...(labelsFrom === undefined ? {} : { labelsFrom }), lengths }),
        );
  return {
    usable: report.usable,
    rowsRead: report.read,
    rowsAccepted: report.accepted,
    rowsRejected: report.rejected,
    labels: { ...report.labels },
    labelCounts: Object.entries(report.labels).map(([label, rows]) => ({ label, rows })),
    issues: report.issues.map(({ kind, count, occurrences, hint, fatal }) => ({
      kind,
      count,
      locations: occurrences.map(({ location }) => formatLocation(location)),
      hint,
      fatal,
    })),
  };
}
