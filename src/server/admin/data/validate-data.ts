import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DataFiles } from "../../../deployment/data-files.ts";
import type { ValidateDatasetResponseSchema } from "../../../gen/albert/v1/training_pb.js";
import { readingOf, splitRecipe } from "../../../jobs/job-recipe.ts";
import type { DataSource } from "../../../jobs/job-spec.ts";
import { taskOf } from "../../../jobs/runner/job-control.ts";
import type { ThreadHost } from "../../../platform/threads/hosted-thread.ts";
import { callThread } from "../../../platform/threads/worker-rpc.ts";
import type { Store } from "../../../store/store.ts";
import { formatLocation } from "../../../tasks/datasets/data-source.ts";
import type { DatasetReport } from "../../../training/data/dataset-report.ts";
import type { DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import { parseFineTuning } from "../../../training/settings/fine-tuning.ts";
import type { Validation } from "./judge-data.ts";

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
  tools: ValidationTools,
  check: DataCheck,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof ValidateDatasetResponseSchema>> {
  const entry = new URL("./validation-thread", import.meta.url);
  const report = await withValidation(tools, check, (validation) =>
    callThread<Validation, DatasetReport>(entry, import.meta.url, validation, signal, tools.host),
  );
  return {
    usable: report.usable,
    rowsRead: report.read,
    rowsAccepted: report.accepted,
    rowsRejected: report.rejected,
    labels: { ...report.labels },
    labelCounts: Object.entries(report.labels).map(([label, rows]) => ({
      ...{ label, rows },
      didYouMean: report.meant.get(label) ?? "",
    })),
    lengths: (report.words ?? []).map((bin) => ({ ...bin })),
    issues: report.issues.map(({ kind, severity, count, occurrences, hint, fatal }) => ({
      ...{ kind, severity, count, hint, fatal },
      locations: occurrences.map(({ location }) => formatLocation(location)),
      details: occurrences.map(({ detail }) => detail),
    })),
  };
}

/**
 * Makes of a check what a thread needs for it, and keeps the model's files in place while it is at work.
 *
 * @throws AlbertError as `validateData`
 */
export async function withValidation<T>(
  { data, store, background }: ValidationTools,
  check: DataCheck,
  use: (validation: Validation) => Promise<T>,
): Promise<T> {
  const task = taskOf(check.task, "task");
  const { spec, own, lengths } = readingOfCheck(check);
  const evaluation =
    check.eval === undefined ? undefined : { ...spec, task, paths: [await data.resolve(check.eval, "eval.path")] };
  const request = {
    background,
    data: { ...spec, task, paths: [await data.resolve(check.source, "source.path")] },
    ...(evaluation === undefined ? {} : { evaluation: { ...evaluation, split: "dev" as const } }),
  };
  if (check.model === "") return use(request);
  const { labelsFrom } = own;
  return store.versions.open(await store.resolve(check.model, ""), (directory) =>
    use({ ...request, model: { directory, ...(labelsFrom === undefined ? {} : { labelsFrom }), lengths } }),
  );
}

/** What a recipe says of how data is read. @throws AlbertError invalid-input for a recipe that no job would accept */
export function readingOfCheck({ recipe }: Pick<DataCheck, "recipe">) {
  const { own, settings } = splitRecipe({ kind: "fine-tune", recipe }, "recipe.");
  const { maxSeqLength, maxQueryLength, docStride } = parseFineTuning(settings, "recipe.").settings;
  const { problemType } = own;
  const spec: Omit<DatasetSpec, "task" | "paths"> = {
    ...(problemType === undefined ? {} : { problemType }),
    ...readingOf(own),
  };
  const lengths = {
    ...(maxSeqLength === undefined ? {} : { maxSequenceLength: maxSeqLength }),
    ...(maxQueryLength === undefined ? {} : { maxQueryLength }),
    ...(docStride === undefined ? {} : { docStride }),
  };
  return { own, spec, lengths };
}
