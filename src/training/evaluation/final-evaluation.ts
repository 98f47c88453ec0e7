import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Answerer } from "../../model/heads.ts";
import type { Tensor } from "../../model/tensor.ts";
import { makeDirectory } from "../../platform/directories.ts";
import { evaluationFile, predictionFiles } from "../../tasks/evaluation/official-files.ts";
import type { DatasetPredictions } from "../../tasks/evaluation/prediction.ts";

// The evaluation of the weights that a run keeps, and the files it leaves.

/** What the weights that a run keeps answer on one of its evaluation sets. */
export interface FinalEvaluation {
  /** Empty for the run's own evaluation data, else the name of the further set, such as `mnli-mm`. */
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly predictions: DatasetPredictions;
}

/** Makes the final evaluations of a run's weights. */
export interface FinalEvaluator {
  /** @param head  that of the run, with its fit where one was made */
  final(parameters: ReadonlyMap<string, Tensor>, step: number, head: Answerer): Promise<readonly FinalEvaluation[]>;
}

/**
 * Writes the prediction files of the official scripts into a run's directory. A further set has a folder of its own, with an
 * `eval_results.txt` besides: the run's own metrics are already in the one of the run.
 *
 * @returns paths of the files
 */
export async function writeFinalEvaluations(
  directory: string,
  evaluations: readonly FinalEvaluation[],
  step: number,
): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const { name, metrics, predictions } of evaluations) {
    const folder = join(directory, name);
    await makeDirectory(folder);
    const results = name === "" ? [] : [evaluationFile({ ...metrics, global_step: step })];
    for (const file of [...results, ...predictionFiles(predictions)]) {
      const path = join(folder, file.name);
      await writeFile(path, file.content);
      paths.push(path);
    }
  }
  return paths;
}

/** Metrics of all sets in one record; those of further sets after their name, as in `mnli-mm/eval_accuracy`. */
export function namedMetrics(evaluations: readonly FinalEvaluation[]): Record<string, number> {
  const entries = evaluations.flatMap(({ name, metrics }) =>
    Object.entries(metrics).map(([metric, value]) => [name === "" ? metric : `${name}/${metric}`, value] as const),
  );
  return Object.fromEntries(entries);
}
