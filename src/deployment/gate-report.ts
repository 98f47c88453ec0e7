/** The gate's judgement of a version, stored with it for ever. */
export interface GateReport {
  readonly id: string;
  readonly verdict: "pass" | "fail" | "inconclusive";
  /** Official name of the metric that decides. */
  readonly metric: string;
  readonly championValue: number;
  readonly candidateValue: number;
  /** 95 % interval of candidate minus champion, by a paired bootstrap. */
  readonly difference: readonly [low: number, high: number];
  /** McNemar's exact p-value, where answers are right or wrong. */
  readonly mcnemarP?: number;
  readonly examples: number;
  /** Digest of the evaluation set. */
  readonly dataset: string;
  readonly findings: readonly string[];
}
