import { invariant } from "../../errors.ts";
import { bootstrapRng } from "../resampling/bootstrap-rng.ts";
import { mcnemar } from "./mcnemar.ts";

// Compares two models by what each example contributes to their metric. Pure arithmetic: it opens no model and reads no data.

/** A metric that is a function of sums over examples, so that it can be computed anew for any sample of them. */
export interface GateMetric {
  /** Official name. Higher is better. */
  readonly name: string;
  /** The metric's range: 1, or 100 for percentages. */
  readonly fullScale: number;
  /** Numbers that each example contributes. */
  readonly width: number;
  /** @param sums  [width] of the sampled examples' contributions */
  readonly value: (sums: Float64Array) => number;
}

/** What one model got on the set. */
export interface ScoredSet {
  readonly examples: number;
  /** [examples * width] what each example contributes to the metric. */
  readonly terms: Float64Array;
  /** [examples] 1 where the answer is right; absent where answers are not right or wrong. */
  readonly right?: Uint8Array;
  /** [examples] how well each is answered, more being better: whether it is right, its F1, minus its distance. */
  readonly scores: Float64Array;
}

export interface GateRules {
  /** Loss of the metric, as a share of its full scale, that a candidate may have and still pass. */
  readonly margin: number;
  /** Fewer examples than this decide nothing. */
  readonly minExamples: number;
  /** Samples of the bootstrap. */
  readonly resamples: number;
  /** Seed of the bootstrap: the same answers give the same report. */
  readonly seed: number;
}

export const GATE_RULES: GateRules = { margin: 0.01, minExamples: 50, resamples: 2000, seed: 0 };

/** Two-sided level of every test: intervals hold 95 %. */
export const LEVEL = 0.05;

/** Whether a version may take over. */
export type Verdict = "pass" | "fail" | "inconclusive";

/** How two models did on the same examples. */
export interface Comparison {
  readonly verdict: Verdict;
  /** Better beyond chance. */
  readonly better: boolean;
  /** Official name of the metric that decides. */
  readonly metric: string;
  readonly championValue: number;
  readonly candidateValue: number;
  /** 95 % interval of candidate minus champion, by a paired bootstrap. */
  readonly difference: readonly [low: number, high: number];
  /** McNemar's exact p-value, where answers are right or wrong. */
  readonly mcnemarP?: number;
  /** Examples that the candidate answers better, and those it answers worse. */
  readonly fixed: number;
  readonly broken: number;
  readonly examples: number;
  readonly findings: readonly string[];
}

/**
 * Compares two models on the same examples in the same order.
 *
 * The candidate passes when the interval of its difference lies above minus the margin: it is not worse by more than the
 * margin. It fails when the whole interval is below zero and reaches beyond the margin. Anything else, and any set that is
 * too small, is inconclusive. It is better when the whole interval is above zero and, where answers are right or wrong,
 * McNemar's test agrees.
 */
export function compareModels(
  metric: GateMetric,
  champion: ScoredSet,
  candidate: ScoredSet,
  rules: GateRules = GATE_RULES,
): Comparison {
  const { examples } = champion;
  invariant(examples === candidate.examples && examples > 0, "both models answered the same examples");
  const championValue = metric.value(totals(champion, metric.width));
  const candidateValue = metric.value(totals(candidate, metric.width));
  const difference = bootstrapDifference(metric, champion, candidate, rules);
  const mcnemarP =
    champion.right === undefined || candidate.right === undefined
      ? undefined
      : mcnemar(champion.right, candidate.right);
  let [fixed, broken] = [0, 0];
  candidate.scores.forEach((score, row) => {
    if (score > champion.scores[row]!) fixed++;
    else if (score < champion.scores[row]!) broken++;
  });
  const [low, high] = difference;
  const margin = rules.margin * metric.fullScale;
  const findings: string[] = [];
  const enough = examples >= rules.minExamples;
  if (!enough) findings.push(`${examples} examples decide nothing; at least ${rules.minExamples} are needed`);
  const passes = low > -margin;
  const verdict = !enough ? "inconclusive" : passes ? "pass" : high < 0 ? "fail" : "inconclusive";
  if (enough && !passes) {
    findings.push(
      high < 0
        ? `${metric.name} is worse, and a loss of ${margin} or more cannot be excluded`
        : `a loss of ${margin} or more cannot be excluded, nor is the candidate shown to be worse: use more examples`,
    );
  }
  const better = enough && low > 0 && (mcnemarP ?? 0) < LEVEL;
  return {
    verdict,
    better,
    metric: metric.name,
    championValue,
    candidateValue,
    difference,
    fixed,
    broken,
    examples,
    findings,
    ...(mcnemarP === undefined ? {} : { mcnemarP }),
  };
}

/** Percentile interval of candidate minus champion over samples of the examples, drawn with replacement and paired. */
function bootstrapDifference(
  { width, value }: GateMetric,
  champion: ScoredSet,
  candidate: ScoredSet,
  { resamples, seed }: GateRules,
): [number, number] {
  const { examples } = champion;
  const drawn = bootstrapRng(examples, seed);
  const differences = new Float64Array(resamples);
  const before = new Float64Array(width);
  const after = new Float64Array(width);
  for (let sample = 0; sample < resamples; sample++) {
    before.fill(0);
    after.fill(0);
    for (let draw = 0; draw < examples; draw++) {
      const from = drawn() * width;
      for (let i = 0; i < width; i++) {
        before[i]! += champion.terms[from + i]!;
        after[i]! += candidate.terms[from + i]!;
      }
    }
    differences[sample] = value(after) - value(before);
  }
  differences.sort();
  const at = (share: number) => differences[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return [at(LEVEL / 2), at(1 - LEVEL / 2)];
}

/** [width] sums over all examples. */
export function totals({ terms }: ScoredSet, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < terms.length; i++) sums[i % width]! += terms[i]!;
  return sums;
}
