import type { Answerer, ProblemType } from "../../model/heads.ts";
import type { Recipe } from "../settings/recipes.ts";

// Which metrics the evaluation of each head reports, and which of them chooses the best checkpoint.

/** Metrics that an evaluation of this head always reports, official names. */
export function metricsOf(head: Answerer): readonly string[] {
  switch (head.kind) {
    case "classification":
      switch (head.problemType) {
        case "single-label":
          return [
            "eval_accuracy",
            "eval_loss",
            "matthew_corr",
            ...(head.labels.length === 2 ? ["f1"] : []),
            "f1_macro",
          ];
        case "regression":
          return ["pearson", "spearman", "MSE", "eval_loss"];
        case "multi-label":
          return ["eval_accuracy", "eval_loss", "f1_micro", "f1_macro"];
      }
      break;
    case "multiple-choice":
      return ["eval_accuracy", "eval_loss"];
    case "span":
      return ["exact_match", "f1"];
    case "span-answerability":
      return ["exact", "f1", "null_score_diff_threshold"];
    case "vectors":
      return head.measure === "likeness"
        ? ["spearman", "pearson"]
        : ["mrr", "recall_at_1", "recall_at_5", "recall_at_10"];
    case "masked-lm":
    case "sentence-order":
      return [];
  }
}

/** The metric that chooses the best checkpoint where none is given: one that an evaluation of this head reports. */
export function defaultMetric({ metric, task, source }: Recipe, head: Answerer | undefined): readonly [string, string] {
  if (head === undefined || metricsOf(head).includes(metric)) return [metric, `${task} recipe (${source})`];
  if (head.kind === "classification" && head.problemType === "regression") return ["pearson", "as STS-B, for values"];
  return [metricsOf(head)[0] ?? metric, "the first that an evaluation of this head reports"];
}

/** Metrics of which less is better. */
const LOWER_IS_BETTER: ReadonlySet<string> = new Set(["eval_loss", "loss", "MSE"]);

export function goalOf(metric: string): "highest" | "lowest" {
  return LOWER_IS_BETTER.has(metric) ? "lowest" : "highest";
}

/**
 * Every metric that a run of this task may report, whatever labels its data has: what can be said of a wish before anything is
 * read.
 *
 * @param problemType  of a user's own classification data
 */
export function possibleMetrics(
  { task, headKind }: Recipe,
  problemType: ProblemType = "single-label",
): readonly string[] {
  switch (headKind) {
    case "classification": {
      const type = task === "sts-b" ? "regression" : task === "classification" ? problemType : "single-label";
      const labels = type === "regression" ? ["score"] : ["a", "b"]; // two labels have every metric that more have
      return metricsOf({ name: task, kind: "classification", problemType: type, labels });
    }
    case "span":
      // Own questions may turn out to have unanswerable ones among them, which takes the other head.
      return task === "qa"
        ? [
            ...new Set([
              ...metricsOf({ name: task, kind: "span" }),
              ...metricsOf({ name: task, kind: "span-answerability" }),
            ]),
          ]
        : metricsOf({ name: task, kind: "span" });
    case "vectors":
      // Evaluation data may turn out to be pairs with a score.
      return [
        ...metricsOf({ name: "vectors", kind: "vectors" }),
        ...metricsOf({ name: "vectors", kind: "vectors", measure: "likeness" }),
      ];
    default:
      return metricsOf({ name: task, kind: headKind });
  }
}
