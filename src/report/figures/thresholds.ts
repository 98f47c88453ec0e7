import { bestThreshold } from "../../tasks/metrics/calibration.ts";
import type { ThresholdTable } from "../evaluation-report.ts";
import { scoresOf } from "./class-counts.ts";

/** 0.05, 0.1, ..., 0.95 */
const THRESHOLDS = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/**
 * What one label's decisions would be under other thresholds ("given from this probability on"), and the threshold with the best
 * F1 on these rows.
 *
 * @param scores  [rows] probabilities of the label
 * @param truths  [rows] 1 where a row has it
 */
export function thresholdTable(label: string, scores: readonly number[], truths: Uint8Array): ThresholdTable {
  const actual = truths.reduce((sum, truth) => sum + truth, 0);
  const at = (threshold: number) => {
    let hits = 0;
    let given = 0;
    for (const [row, score] of scores.entries()) {
      if (score < threshold) continue;
      given++;
      hits += truths[row]!;
    }
    return { threshold, ...scoresOf(hits, given, actual), given: scores.length === 0 ? 0 : given / scores.length };
  };
  const threshold = bestThreshold(
    scores,
    Array.from(truths, (truth) => truth === 1),
  );
  return { label, rows: THRESHOLDS.map(at), best: { threshold, f1: at(threshold).f1 } };
}
