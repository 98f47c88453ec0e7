import { binOf, CALIBRATION_BINS } from "../../tasks/metrics/calibration.ts";
import type { CoverageRow, ReliabilityBin } from "../evaluation-report.ts";

// Whether answers are right as often as their probabilities say. An answer is a probability and whether it is right.

/** Answers with the weights of their rows. */
interface Answers {
  /** [rows] of what is predicted. */
  readonly confidence: ArrayLike<number>;
  /** [rows] 1 where it is right. */
  readonly right: Uint8Array;
}

/** Expected calibration error, as `expectedCalibrationError`, of weighted rows. NaN for none. */
export function weightedCalibrationError({ confidence, right }: Answers, weights: ArrayLike<number>): number {
  const gaps = new Float64Array(CALIBRATION_BINS);
  let total = 0;
  for (let row = 0; row < right.length; row++) {
    gaps[binOf(confidence[row]!)]! += weights[row]! * (confidence[row]! - right[row]!);
    total += weights[row]!;
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / total;
}

/** The bins of a reliability diagram that have rows. */
export function reliabilityBins({ confidence, right }: Answers): ReliabilityBin[] {
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ rows: 0, confidence: 0, right: 0 }));
  for (let row = 0; row < right.length; row++) {
    const bin = bins[binOf(confidence[row]!)]!;
    bin.rows++;
    bin.confidence += confidence[row]!;
    bin.right += right[row]!;
  }
  return bins.flatMap(({ rows, confidence: sum, right: hits }, i) =>
    rows === 0
      ? []
      : [
          {
            from: i / CALIBRATION_BINS,
            to: (i + 1) / CALIBRATION_BINS,
            rows,
            confidence: sum / rows,
            accuracy: hits / rows,
          },
        ],
  );
}

const COVERAGE_LEVELS = [0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/** What is left, and how well it is answered, of answers that are at least this sure. */
export function coverageOf({ confidence, right }: Answers): CoverageRow[] {
  return COVERAGE_LEVELS.flatMap((level) => {
    let rows = 0;
    let hits = 0;
    for (let row = 0; row < right.length; row++) {
      if (confidence[row]! < level) continue;
      rows++;
      hits += right[row]!;
    }
    return rows === 0 ? [] : [{ confidence: level, rows, share: rows / right.length, accuracy: hits / rows }];
  });
}
