import { AlbertError, invariant } from "../errors.ts";
import type { DataSource, JobSpec } from "../jobs/job-spec.ts";
import { HELD_OUT_SHARE, taskOf } from "../jobs/work-control.ts";
import type { Head } from "../model/heads.ts";
import { acceptedExamples } from "../training/data/rows.ts";
import type { Task } from "../training/recipes.ts";
import { checkData } from "../training/task-data.ts";
import type { DataFiles } from "./data-files.ts";
import { type EvaluationSet, problemTypeOf } from "./judge.ts";

/** The rows of one source, read as the head that answers them was trained. */
export async function wholeSet(data: DataFiles, source: DataSource, task: Task, head: Head): Promise<EvaluationSet> {
  const path = await data.resolve(source, "source");
  const problemType = problemTypeOf(head);
  const spec = {
    task,
    paths: [path],
    split: "dev",
    acceptWindowsText: true, // what a job may train on was decided when it was checked
    ...(problemType === undefined ? {} : { problemType }),
  } as const;
  return { digest: await data.digest(source, path), examples: () => acceptedExamples(spec) };
}

/** The set on which a job's result is judged: its evaluation data, else the part of its training data it did not see. */
export async function evaluationSetOf(data: DataFiles, spec: JobSpec, head: Head): Promise<EvaluationSet> {
  const task = taskOf(spec.task);
  if (spec.eval !== undefined) return wholeSet(data, spec.eval, task, head);
  invariant(spec.train !== undefined, "a job that made a model had training data");
  const problemType = problemTypeOf(head);
  const checked = await checkData(
    {
      task,
      train: await data.resolve(spec.train, "spec.train"),
      holdOut: { share: HELD_OUT_SHARE, seed: spec.seed },
      acceptWindowsText: true,
      ...(problemType === undefined ? {} : { problemType }),
    },
    [head],
  );
  if (checked.eval === undefined || checked.eval.count === 0) {
    throw new AlbertError("precondition", "no evaluation data is left to judge on", { reason: "NO_EXAMPLES" });
  }
  return { digest: checked.eval.digest, examples: checked.eval.examples };
}
