// Numbers of reports as people read them.

/** A share, such as "93.1 %". */
export function percentText(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A number that is no share, with four significant digits. */
export function numberText(value: number): string {
  return String(Number(value.toPrecision(4)));
}

const NAMES: Readonly<Record<string, string>> = {
  eval_accuracy: "accuracy",
  eval_loss: "loss (nats)",
  matthew_corr: "Matthews' correlation",
  f1: "F1",
  f1_micro: "F1, micro",
  f1_macro: "F1, macro",
  f1_weighted: "F1, weighted",
  roc_auc: "area under ROC",
  average_precision: "average precision",
  brier: "Brier score",
  expected_calibration_error: "calibration error",
  mrr: "mean reciprocal rank",
  recall_at_1: "found first",
  recall_at_5: "found among 5",
  recall_at_10: "found among 10",
  exact: "exact match",
  exact_match: "exact match",
  HasAns_f1: "F1, answerable",
  HasAns_exact: "exact match, answerable",
  NoAns_exact: "right, unanswerable",
  pearson: "Pearson's correlation",
  spearman: "Spearman's correlation",
  MSE: "mean squared error",
  RMSE: "root of it",
  MAE: "mean absolute error",
  R2: "R²",
};

/** What a figure is called in tables. */
export function figureName(name: string): string {
  return NAMES[name] ?? name;
}

/** Figures of which less is better. */
const LESS_IS_BETTER: ReadonlySet<string> = new Set([
  "eval_loss",
  "brier",
  "expected_calibration_error",
  "MSE",
  "RMSE",
  "MAE",
]);

/** Shares that people know in percent. */
const IN_PERCENT: ReadonlySet<string> = new Set([
  "eval_accuracy",
  "recall_at_1",
  "recall_at_5",
  "recall_at_10",
  "f1",
  "f1_micro",
  "f1_macro",
  "f1_weighted",
  "exact",
  "exact_match",
  "HasAns_f1",
  "HasAns_exact",
  "NoAns_exact",
]);

/** A figure's value. */
export function figureText(name: string, value: number): string {
  return IN_PERCENT.has(name) ? percentText(value) : numberText(value);
}

export function lessIsBetter(name: string): boolean {
  return LESS_IS_BETTER.has(name);
}
