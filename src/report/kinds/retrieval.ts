import { invariant } from "../../errors.ts";
import type { ClassificationExample, Example, PairExample } from "../../tasks/datasets/examples.ts";
import type { RetrievalPrediction } from "../../tasks/evaluation/prediction.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import type { ReportPart } from "./part.ts";
import { regressionPart } from "./regression.ts";

/** Texts that are listed of a row's right ones. */
const LISTED = 3;

/**
 * The part of a report about texts that are to find their partners. Pairs with a score are told of only where the set has no others:
 * as values, by how vectors go with them.
 */
export function retrievalPart(examples: readonly Example[], predictions: readonly RetrievalPrediction[]): ReportPart {
  if (predictions.length > 0 && predictions.every(({ rank }) => rank === undefined)) {
    return regressionPart(
      examples.map((example) => asValue(pairOf(example))),
      predictions.map(({ id, similarity }) => ({ id, probabilities: [similarity], predicted: similarity })),
      "similarity",
    );
  }
  const rows: JudgedRow[] = [];
  const ranks: number[] = [];
  examples.forEach((example, i) => {
    const { positives } = pairOf(example);
    const { rank, predicted, margin } = predictions[i]!;
    if (rank === undefined) return;
    ranks.push(rank);
    rows.push({
      example,
      right: positives.slice(0, LISTED).join(" | "),
      predicted,
      score: 1 / rank,
      isRight: rank === 1,
      loss: Math.log(rank),
      ...(margin === undefined ? {} : { margin: Math.abs(margin) }),
    });
  });
  return {
    kind: "retrieval",
    rows,
    measure: "reciprocal rank",
    dimensions: [
      { name: "right texts", propertyOf: ({ example }) => pairOf(example).positives.length },
      { name: "negatives of its own", propertyOf: ({ example }) => pairOf(example).negatives.length },
    ],
    steps: 4 * rows.length,
    figures: (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const mean = (of: (rank: number) => number) =>
        weights.reduce((sum, weight, row) => sum + weight * of(ranks[row]!), 0) / total;
      const recall = (place: number) => mean((rank) => (rank <= place ? 1 : 0));
      return {
        mrr: mean((rank) => 1 / rank),
        recall_at_1: recall(1),
        recall_at_5: recall(5),
        recall_at_10: recall(10),
      };
    },
    tables: {},
  };
}

function pairOf(example: Example): PairExample {
  invariant(example.kind === "pair", "partners are found in pairs");
  return example;
}

function asValue({ id, location, anchor, positives, score, columns }: PairExample): ClassificationExample {
  const label = score === undefined ? {} : { label: score };
  const kept = columns === undefined ? {} : { columns };
  return { kind: "classification", id, location, text: anchor, textPair: positives[0]!, ...label, ...kept };
}
