import { AlbertError, invariant } from "../../errors.ts";
import { readingOf, splitRecipe } from "../../jobs/job-recipe.ts";
import type { DataSource, JobSpec } from "../../jobs/job-spec.ts";
import { HELD_OUT_SHARE } from "../../jobs/runner/job-control.ts";
import { type Answerer, headsOf, type ProblemType } from "../../model/heads.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { acceptedExamples, type ReadingOptions } from "../../training/data/rows/dataset-rows.ts";
import { digestOf } from "../../training/data/validate-dataset.ts";
import { checkData } from "../../training/features/task-data.ts";
import type { Task } from "../../training/settings/recipes.ts";
import type { DataFiles } from "../data-files.ts";

// Which rows the gate compares two versions on, and how they are opened. It evaluates nothing.

/** Which rows models are compared on, as files of this machine. */
export type EvaluationData =
  /** Every row of a file; its sha256 where it is known. */
  | { readonly kind: "whole"; readonly path: string; readonly digest?: string; readonly reading?: ReadingOptions }
  /** The rows of training data that a job with this seed held out. */
  | { readonly kind: "held-out"; readonly path: string; readonly seed: number; readonly reading?: ReadingOptions };

/** A frozen set on which versions are compared. */
export interface EvaluationSet {
  /** sha256, hex. */
  readonly digest: string;
  readonly examples: () => AsyncIterable<Example>;
}

/** All rows of one source. @throws AlbertError as `DataFiles.resolve` */
export async function wholeData(data: DataFiles, source: DataSource, field: string): Promise<EvaluationData> {
  const path = await data.resolve(source, field);
  return source.kind === "dataset" ? { kind: "whole", path, digest: source.digest } : { kind: "whole", path };
}

/** What a job's result is compared on: its evaluation data, else the part of its training data it did not see. */
export async function evaluationDataOf(data: DataFiles, spec: JobSpec): Promise<EvaluationData> {
  const reading = readingOf(splitRecipe(spec, "spec.recipe.").own);
  if (spec.eval !== undefined) return { ...(await wholeData(data, spec.eval, "spec.eval.path")), reading };
  invariant(spec.train !== undefined, "a job that made a model had training data");
  return { kind: "held-out", path: await data.resolve(spec.train, "spec.train.path"), seed: spec.seed, reading };
}

/** Opens the rows as the head that answers them was trained. @throws AlbertError precondition (NO_EXAMPLES) */
export async function openEvaluationSet(data: EvaluationData, task: Task, head: Answerer): Promise<EvaluationSet> {
  const problemType = problemTypeOf(head);
  // What a job may train on was decided when it was checked.
  const reading = { ...data.reading, acceptWindowsText: true, ...(problemType === undefined ? {} : { problemType }) };
  if (data.kind === "whole") {
    const digest = data.digest ?? (await digestOf([data.path]));
    return { digest, examples: () => acceptedExamples({ task, paths: [data.path], split: "dev", ...reading }) };
  }
  const holdOut = { share: HELD_OUT_SHARE, seed: data.seed };
  const checked = await checkData({ task, train: data.path, holdOut, ...reading }, headsOf(head));
  if (checked.eval === undefined || checked.eval.count === 0) {
    throw new AlbertError("precondition", "no evaluation data is left to compare on", { reason: "NO_EXAMPLES" });
  }
  return { digest: checked.eval.digest, examples: checked.eval.examples };
}

/** How rows of a user's own classification data are read. */
function problemTypeOf(head: Answerer): ProblemType | undefined {
  return head.kind === "classification" ? head.problemType : undefined;
}
