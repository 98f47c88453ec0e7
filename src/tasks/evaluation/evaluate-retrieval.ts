import type { PairExample } from "../datasets/examples.ts";
import { planEncoding } from "../masked-lm/encoding.ts";
import { pearsonCorrelation, spearmanCorrelation } from "../metrics/regression-metrics.ts";
import type { TaskModel } from "../plan.ts";
import type { DatasetEvaluation, EvaluationInput, RetrievalPrediction } from "./prediction.ts";
import { runSequences } from "./run-sequences.ts";

// Measures a sentence encoder by whether each anchor finds its partner among all texts of the set.

/** Places up to which a right text counts as found. */
const PLACES = [1, 5, 10] as const;

/**
 * Evaluates pairs: every anchor is compared with all positives and negatives of the set, each text once. A row's right texts are its
 * own positives; what else is known to belong to the same anchor counts neither for nor against it, and neither does the anchor
 * itself. Rows with a score are correlated with it instead, and are nobody's candidates.
 *
 * @returns `mrr` (mean of 1 / rank), `recall_at_1`, `recall_at_5` and `recall_at_10` over rows without a score; `spearman` and
 *   `pearson` over those with one, from two on
 */
export async function evaluateRetrieval(input: EvaluationInput<PairExample>): Promise<DatasetEvaluation> {
  const { engine, model, options } = input;
  const examples: PairExample[] = [];
  for await (const example of input.examples) examples.push(example);
  const { vectors, tokens } = await vectorsOf(engine, model, textsOf(examples), options.signal);
  const ranked = examples.filter(({ score }) => score === undefined);
  const candidates = [...new Set(ranked.flatMap(({ positives, negatives }) => [...positives, ...negatives]))];
  const partners = partnersOf(ranked);
  const rows = examples.map((example, index): RetrievalPrediction => {
    options.signal?.throwIfAborted();
    const { id, anchor, positives, score } = example;
    const query = vectors.get(anchor)!;
    const nearness = (text: string) => product(query, vectors.get(text)!);
    options.onProgress?.(index + 1);
    if (score !== undefined) return { id, predicted: positives[0]!, similarity: nearness(positives[0]!) };
    return { id, ...placeOf(example, candidates, partners.get(anchor)!, nearness) };
  });
  const metrics = { ...rankMetrics(rows), ...likenessMetrics(examples, rows) };
  return { metrics, predictions: { kind: "retrieval", rows }, examples: rows.length, tokens };
}

/** Every text once, in order. */
function textsOf(examples: readonly PairExample[]): readonly string[] {
  return [...new Set(examples.flatMap(({ anchor, positives, negatives }) => [anchor, ...positives, ...negatives]))];
}

async function vectorsOf(
  engine: EvaluationInput<PairExample>["engine"],
  model: TaskModel,
  texts: readonly string[],
  signal: AbortSignal | undefined,
) {
  const vectors = new Map<string, Float32Array>();
  // Of length 1, so that a product is a cosine; where the maker does not scale them, as a search does.
  const pooled = { normalize: true, ...(model.encoding === undefined ? {} : { pooling: model.encoding.pooling }) };
  let tokens = 0;
  function* items() {
    for (const text of texts) {
      const plan = planEncoding({ text, ...pooled, truncation: "truncate" }, model);
      tokens += plan.tokens;
      yield { text, plan, sequences: plan.sequences };
    }
  }
  for await (const { item, outputs } of runSequences(engine, items(), signal)) {
    vectors.set(item.text, item.plan.answer(outputs).embedding);
  }
  return { vectors, tokens };
}

/** What is known to belong to each anchor, by any row. */
function partnersOf(examples: readonly PairExample[]): ReadonlyMap<string, ReadonlySet<string>> {
  const partners = new Map<string, Set<string>>();
  for (const { anchor, positives } of examples) {
    const known = partners.get(anchor) ?? new Set([anchor]);
    for (const text of positives) known.add(text);
    partners.set(anchor, known);
  }
  return partners;
}

function placeOf(
  { positives }: PairExample,
  candidates: readonly string[],
  partners: ReadonlySet<string>,
  nearness: (text: string) => number,
): Omit<RetrievalPrediction, "id"> {
  let [right, similarity] = ["", Number.NEGATIVE_INFINITY];
  for (const text of positives) {
    const value = nearness(text);
    if (value > similarity) [right, similarity] = [text, value];
  }
  let rank = 1;
  let [wrong, nearest] = ["", Number.NEGATIVE_INFINITY];
  for (const text of candidates) {
    if (partners.has(text)) continue;
    const value = nearness(text);
    if (value >= similarity) rank++;
    if (value > nearest) [wrong, nearest] = [text, value];
  }
  const margin = Number.isFinite(nearest) ? { margin: similarity - nearest } : {};
  return { predicted: rank === 1 ? right : wrong, similarity, rank, ...margin };
}

function rankMetrics(rows: readonly RetrievalPrediction[]): Record<string, number> {
  const ranks = rows.flatMap(({ rank }) => rank ?? []);
  if (ranks.length === 0) return {};
  const mean = (of: (rank: number) => number) => ranks.reduce((sum, rank) => sum + of(rank), 0) / ranks.length;
  const recalls = PLACES.map((place) => [`recall_at_${place}`, mean((rank) => (rank <= place ? 1 : 0))] as const);
  return { mrr: mean((rank) => 1 / rank), ...Object.fromEntries(recalls) };
}

function likenessMetrics(
  examples: readonly PairExample[],
  rows: readonly RetrievalPrediction[],
): Record<string, number> {
  const scored = examples.flatMap(({ score }, i) =>
    score === undefined ? [] : [[score, rows[i]!.similarity] as const],
  );
  if (scored.length < 2) return {};
  const [scores, values] = [scored.map(([score]) => score), scored.map(([, value]) => value)];
  return { spearman: spearmanCorrelation(scores, values), pearson: pearsonCorrelation(scores, values) };
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
