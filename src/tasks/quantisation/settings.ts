/** What `albert quantise` and jobs take where nothing else is said. */
export const DEFAULT_QUANTISATION = {
  /** Examples that are drawn, observed and measured. */
  examples: 256,
  seed: 1,
  /** Most that the task's metric may lose on them: half a point. */
  maxLoss: 0.005,
} as const;
