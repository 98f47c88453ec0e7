import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import {
  type ComparedAnswers,
  compareAnswers,
  type ModelComparison,
} from "../../report/comparison/model-comparison.ts";
import type { EngineOptions } from "../../runtime/packed-engine.ts";
import { answeringHead } from "../../tasks/evaluation/evaluate-dataset.ts";
import { taskModel } from "../../tasks/plan.ts";
import type { Task } from "../../training/settings/recipes.ts";
import { type EvaluationData, openEvaluationSet } from "../gate/evaluation-data.ts";
import { answer } from "../gate/gate-evaluation.ts";

// Lets two models answer one set and compares them. It runs on a thread of its own and writes nothing.

/** A stored version as its directory. */
export interface ComparedDirectory {
  /** `name@7` */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** Two models, and what they are to answer: data that can cross to another thread. */
export interface ComparisonRequest {
  readonly task: Task;
  readonly before: ComparedDirectory;
  readonly after: ComparedDirectory;
  readonly data: EvaluationData;
  /** What would serve. */
  readonly engine: Pick<EngineOptions, "device" | "precision" | "threads">;
  /** Whether it yields to other threads. */
  readonly background: boolean;
}

/**
 * Lets both models answer the same set through the serving graph, one after the other.
 *
 * @param signal  aborting it ends the comparison after the batch in hand
 * @throws AlbertError precondition (HEAD_MISSING); invalid-input for a set that does not fit both, or models whose answers are of
 *   different kinds
 */
export async function compareDirectories(request: ComparisonRequest, signal: AbortSignal): Promise<ModelComparison> {
  const model = await openModelDirectory(request.before.path);
  const set = await openEvaluationSet(
    request.data,
    request.task,
    answeringHead(taskModel(model), request.task, undefined),
  );
  const first = await answer(request, model, set, signal);
  const other = await openModelDirectory(request.after.path);
  const second = await answer(request, other, set, signal);
  const compared = (
    { name, bytes }: ComparedDirectory,
    { digest }: { readonly digest: string },
    { head, evaluation, seconds }: Pick<ComparedAnswers, "head" | "evaluation" | "seconds">,
  ): ComparedAnswers => ({ name, digest, bytes, head, evaluation, seconds });
  return compareAnswers(
    request.task,
    first.examples,
    compared(request.before, model, first),
    compared(request.after, other, second),
  );
}
