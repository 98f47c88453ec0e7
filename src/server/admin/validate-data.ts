import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DataFiles } from "../../deployment/data-files.ts";
import type { ValidateDatasetResponseSchema } from "../../gen/albert/v1/training_pb.js";
import type { DataSource } from "../../jobs/job-spec.ts";
import { taskOf } from "../../jobs/work-control.ts";
import type { Model } from "../../model/model-directory.ts";
import type { Store } from "../../store/store.ts";
import { formatLocation } from "../../tasks/datasets/data-source.ts";
import { headKindsOf } from "../../tasks/datasets/examples.ts";
import { taskModel } from "../../tasks/plan.ts";
import { QA_DEFAULTS } from "../../tasks/question-answering/question-answering.ts";
import { validateDataset } from "../../training/data/validate-dataset.ts";

export interface DataCheck {
  readonly source: DataSource;
  readonly task: string;
  /** Model whose tokenizer and labels the data must suit; empty: none. */
  readonly model: string;
  readonly eval?: DataSource;
}

/**
 * Reads a whole set and reports every problem with its line.
 *
 * @throws AlbertError invalid-input for an unknown task; not-found for an absent set or model
 */
export async function validateData(
  data: DataFiles,
  store: Store,
  openModel: (directory: string) => Promise<Model>,
  request: DataCheck,
): Promise<MessageInitShape<typeof ValidateDatasetResponseSchema>> {
  const task = taskOf(request.task);
  const paths = [await data.resolve(request.source, "source.path")];
  const model =
    request.model === ""
      ? undefined
      : await openModel(await store.versions.materialise(await store.resolve(request.model, "")));
  const kinds = headKindsOf(task);
  const head = model?.heads.find((candidate) => kinds.some((kind) => kind === candidate.kind));
  const problemType = head?.kind === "classification" ? { problemType: head.problemType } : {};
  const evaluation =
    request.eval === undefined
      ? {}
      : {
          evaluation: {
            task,
            paths: [await data.resolve(request.eval, "eval.path")],
            split: "dev",
            ...problemType,
          } as const,
        };
  const report = await validateDataset(
    { task, paths, ...problemType },
    {
      ...(head?.kind === "classification" ? { head } : {}),
      ...(model === undefined
        ? {}
        : {
            lengths: {
              tokenizer: model.tokenizer,
              maxSequenceLength: taskModel(model).maxSequenceLength,
              maxQueryLength: QA_DEFAULTS.maxQueryLength,
              docStride: QA_DEFAULTS.docStride,
            },
          }),
      ...evaluation,
    },
  );
  return {
    usable: report.usable,
    rowsRead: report.read,
    rowsAccepted: report.accepted,
    rowsRejected: report.rejected,
    labels: { ...report.labels },
    issues: report.issues.map(({ kind, count, occurrences, hint, fatal }) => ({
      kind,
      count,
      locations: occurrences.map(({ location }) => formatLocation(location)),
      hint,
      fatal,
    })),
  };
}
