/** Whether a version may take over. */
export type Verdict = "pass" | "fail" | "inconclusive";

/** The gate's judgement of a version, stored with it for ever. */
export interface GateReport {
  readonly id: string;
  readonly verdict: Verdict;
  /** Better than the champion beyond chance, or there is no champion to compare with. */
  readonly better: boolean;
  /** Version that was the champion then; absent where there was none. */
  readonly champion?: number;
  /** Official name of the metric that decides. */
  readonly metric: string;
  /** Absent where there is no champion, or it cannot answer this set. */
  readonly championValue?: number;
  readonly candidateValue: number;
  /** 95 % interval of candidate minus champion, by a paired bootstrap; absent as `championValue` is. */
  readonly difference?: readonly [low: number, high: number];
  /** McNemar's exact p-value, where answers are right or wrong. */
  readonly mcnemarP?: number;
  readonly examples: number;
  /** Digest of the evaluation set. */
  readonly dataset: string;
  readonly findings: readonly string[];
}
