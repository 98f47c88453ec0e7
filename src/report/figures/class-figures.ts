import type { ClassFigures } from "../evaluation-report.ts";
import { type ClassCounts, scoresAt } from "./class-counts.ts";
import { type Ranking, rankingAreas } from "./ranking.ts";

/**
 * What is told of every label by itself. Areas that have no value, as of a label that no row has, are left out.
 *
 * @param counts    over all rows, each counted once
 * @param rankings  [labels] of all rows by the probability of each label
 * @param each      [rows] 1 for every row
 */
export function classFigures(
  labels: readonly string[],
  counts: ClassCounts,
  rankings: readonly Ranking[],
  each: Float64Array,
): ClassFigures[] {
  return labels.map((label, id) => {
    const { rocAuc, averagePrecision } = rankingAreas(rankings[id]!, each);
    return {
      label,
      ...scoresAt(counts, id),
      support: counts.actual[id]!,
      predicted: counts.predicted[id]!,
      ...(Number.isNaN(rocAuc) ? {} : { rocAuc }),
      ...(Number.isNaN(averagePrecision) ? {} : { averagePrecision }),
    };
  });
}
