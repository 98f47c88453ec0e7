import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readSquad } from "../../src/tasks/datasets/squad.ts";
import {
  answerScores,
  evaluateSquadV1,
  type GoldAnswers,
  normalizeAnswer,
  rawScores,
} from "../../src/tasks/metrics/squad-metrics.ts";
import {
  bestNullThreshold,
  evaluateSquadV2,
  officialBestThresholds,
} from "../../src/tasks/metrics/squad-v2-metrics.ts";
import { codePointStarts } from "../../src/tasks/offset-units.ts";
import { beamCandidates, pairCandidates, type SearchWindow } from "../../src/tasks/question-answering/candidates.ts";
import {
  nBestJson,
  nullOddsJson,
  predictedText,
  predictionsJson,
  predictSquad,
  type SquadPrediction,
  type WindowResult,
} from "../../src/tasks/question-answering/squad-predictions.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { jsonFile, jsonLines } from "./json-lines.ts";

interface RawResult {
  readonly unique_id: number;
  readonly start_log_prob: readonly number[];
  readonly end_log_prob: readonly number[];
  readonly start_top_log_probs: readonly number[];
  readonly start_top_index: readonly number[];
  readonly end_top_log_probs: readonly number[];
  readonly end_top_index: readonly number[];
  readonly cls_logits: number;
}

interface FeatureRow {
  readonly unique_id: number;
  readonly example_index: number;
  readonly tok_start_to_orig_index: readonly number[];
  readonly tok_end_to_orig_index: readonly number[];
  readonly tokens: readonly string[];
  readonly token_is_max_context: Readonly<Record<string, boolean>>;
}

type Report = Readonly<Record<string, number>>;

interface Case {
  readonly case: string;
  readonly raw_results: readonly string[];
  readonly n_best_size: number;
  readonly max_answer_length: number;
  readonly official_eval: Report;
  readonly data: string;
  readonly features: string;
  readonly evaluate_v2_script_no_threshold?: Readonly<Record<string, Report>>;
  readonly evaluate_v2_script_thresholded?: Readonly<Record<string, Report>>;
}

const folder = fixture("postprocess");
const caseFiles = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith("_cases.json"));
const cases = caseFiles.flatMap((file) =>
  jsonFile<Case[]>(fixture("postprocess", file)!).map((entry) => ({ ...entry, set: file.replace("_cases.json", "") })),
);

/** Equal, but for numbers that may differ by a relative 1e-9. */
function expectClose(actual: unknown, expected: unknown, at = "$"): void {
  if (typeof expected === "number" && typeof actual === "number") {
    const scale = Math.max(Math.abs(expected), Math.abs(actual));
    if (!(Math.abs(actual - expected) <= 1e-9 * scale)) throw new Error(`${at}: expected ${expected}, got ${actual}`);
  } else if (typeof expected === "object" && expected !== null) {
    expect(Object.keys(actual as object), at).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) {
      expectClose((actual as Record<string, unknown>)[key], value, `${at}.${key}`);
    }
  } else expect(actual, at).toEqual(expected);
}

function predictCase(
  entry: Case,
  version: "v1.1" | "v2.0",
): { predictions: SquadPrediction[]; questions: GoldAnswers[] } {
  const questions = readSquad(jsonFile(fixture(entry.data)!), entry.data);
  const features = new Map<number, FeatureRow[]>();
  for (const row of jsonLines<FeatureRow>(fixture(entry.features)!)) {
    features.set(row.example_index, [...(features.get(row.example_index) ?? []), row]);
  }
  const models = entry.raw_results.map(
    (file) => new Map(jsonLines<RawResult>(fixture("postprocess", file)!).map((row) => [row.unique_id, row])),
  );
  const options = { nBestSize: entry.n_best_size, maxAnswerLength: entry.max_answer_length };
  const predictions = questions.map((question, index) => {
    const characters = codePointStarts(question.context);
    const windows = (features.get(index) ?? []).map((row): WindowResult => {
      const documentOffset = row.tokens.indexOf("[SEP]") + 1;
      const length = row.tok_start_to_orig_index.length;
      const maxContext = Uint8Array.from({ length }, (_, i) => (row.token_is_max_context[documentOffset + i] ? 1 : 0));
      const window: SearchWindow = { documentOffset, length, maxContext };
      const results = models.map((model) => model.get(row.unique_id)!);
      return {
        startCharacters: row.tok_start_to_orig_index,
        endCharacters: row.tok_end_to_orig_index,
        candidates: results.map((result) =>
          version === "v1.1"
            ? pairCandidates(result.start_log_prob, result.end_log_prob, window, options)
            : beamCandidates(
                {
                  startLogProbs: result.start_top_log_probs,
                  startIndexes: result.start_top_index,
                  endLogProbs: result.end_top_log_probs,
                  endIndexes: result.end_top_index,
                },
                window,
                options,
              ),
        ),
        nullLogits: results.map((result) => result.cls_logits),
      };
    });
    return predictSquad(
      question.id,
      windows,
      (first, last) => question.context.slice(characters[first], characters[last + 1]),
      { nBestSize: entry.n_best_size, version, models: models.length },
    );
  });
  return {
    predictions,
    questions: questions.map(({ id, answers }) => ({ id, answers: answers.map(({ text }) => text) })),
  };
}

describe.skipIf(missing("postprocess", folder))("SQuAD predictions", () => {
  const expected = (entry: { set: string; case: string }, name: string) =>
    jsonFile<Record<string, unknown>>(fixture("postprocess", `${entry.set}_${entry.case}.${name}.json`)!);

  it.each(cases.filter(({ set }) => set.startsWith("v1")))("v1.1 $set case $case equal the official files", (entry) => {
    const { predictions, questions } = predictCase(entry, "v1.1");
    expectClose(JSON.parse(predictionsJson(predictions, null)), expected(entry, "predictions"));
    expectClose(JSON.parse(nBestJson(predictions)), expected(entry, "nbest_predictions"));
    const texts = new Map(predictions.map((prediction) => [prediction.id, predictedText(prediction, null)]));
    expectClose(evaluateSquadV1(questions, texts), entry.official_eval);
  });

  it.each(cases.filter(({ set }) => set.startsWith("v2")))("v2.0 $set case $case equal the official files", (entry) => {
    const { predictions, questions } = predictCase(entry, "v2.0");
    const texts = (threshold: number | null) =>
      new Map(predictions.map((prediction) => [prediction.id, predictedText(prediction, threshold)]));
    const nullScores = new Map(predictions.map(({ id, nullScore }) => [id, nullScore!]));
    const untuned = { questions, predictions: texts(null), nullScores };
    const threshold = officialBestThresholds(untuned, nullScores).best_f1_thresh;
    expectClose(JSON.parse(predictionsJson(predictions, null)), expected(entry, "predictions_no_threshold"));
    expectClose(JSON.parse(predictionsJson(predictions, threshold)), expected(entry, "predictions"));
    expectClose(JSON.parse(nBestJson(predictions)), expected(entry, "nbest_predictions"));
    expectClose(JSON.parse(nullOddsJson(predictions)), expected(entry, "null_odds"));

    const tuned = { questions, predictions: texts(threshold), nullScores };
    const { exact, f1, total } = evaluateSquadV2(tuned);
    expectClose({ exact, f1, total, null_score_diff_threshold: threshold }, entry.official_eval);
    for (const [input, scripts] of [
      [untuned, entry.evaluate_v2_script_no_threshold],
      [tuned, entry.evaluate_v2_script_thresholded],
    ] as const) {
      for (const [name, report] of Object.entries(scripts ?? {})) {
        const cut = /with_na_prob_thresh_(.+)$/.exec(name)?.[1];
        const { nullScores: _, ...withoutScores } = input;
        expectClose(
          cut === undefined ? evaluateSquadV2(withoutScores) : evaluateSquadV2(input, Number(cut)),
          report,
          name,
        );
      }
    }
    const corrected = bestNullThreshold(untuned, nullScores);
    const applied = rawScores(questions, texts(corrected.threshold));
    const mean = [...applied.values()].reduce((sum, score) => sum + score.f1, 0) / applied.size;
    expect(100 * mean).toBeCloseTo(corrected.f1, 9);
    expect(corrected.f1).toBeGreaterThanOrEqual((entry.official_eval["f1"] ?? 0) - 1e-9);
  });
});

interface ExpectedEvaluation {
  readonly normalize: readonly { readonly text: string; readonly v1: string; readonly v2: string }[];
  readonly v1: Readonly<
    Record<
      string,
      { readonly total: Report; readonly per_question: Readonly<Record<string, { exact: boolean; f1: number }>> }
    >
  >;
  readonly v2: Readonly<Record<string, Readonly<Record<string, Report>>>>;
}

const evaluationFile = fixture("postprocess/eval/expected.json");

describe.skipIf(missing("postprocess/eval", evaluationFile))("SQuAD evaluation", () => {
  const expected = evaluationFile === undefined ? undefined : jsonFile<ExpectedEvaluation>(evaluationFile);
  const golds = (name: string): GoldAnswers[] =>
    readSquad(jsonFile(fixture("postprocess/eval", name)!), name).map(({ id, answers }) => ({
      id,
      answers: answers.map(({ text }) => text),
    }));
  const table = <T>(name: string) =>
    new Map(Object.entries(jsonFile<Record<string, T>>(fixture("postprocess/eval", name)!)));

  it("normalises answers as the official script does", () => {
    for (const { text, v1, v2 } of expected!.normalize) {
      expect(normalizeAnswer(text)).toBe(v1);
      expect(normalizeAnswer(text)).toBe(v2);
    }
  });

  it.each(Object.keys(expected?.v1 ?? {}))("scores the v1.1 predictions %s", (name) => {
    const questions = golds("squad_v1_data.json");
    const predictions = table<string>(`v1_${name}.json`);
    const { total, per_question } = expected!.v1[name]!;
    expectClose(evaluateSquadV1(questions, predictions), total);
    for (const [id, scores] of Object.entries(per_question)) {
      const actual = answerScores(
        predictions.get(id)!,
        questions.find((question) => question.id === id)!.answers,
        "v1.1",
      );
      expectClose({ exact: actual.exact === 1, f1: actual.f1 }, scores, id);
    }
  });

  it.each(Object.keys(expected?.v2 ?? {}))("scores the v2.0 predictions %s, thresholds included", (name) => {
    const questions = golds("squad_v2_data.json");
    const predictions = table<string>(`v2_${name}.json`);
    const reports = expected!.v2[name]!;
    const raw = rawScores(questions, predictions);
    const scoresOf = (metric: "exact" | "f1") =>
      Object.fromEntries(Array.from(raw, ([id, scores]) => [id, scores[metric]]));
    expectClose(scoresOf("exact"), reports["exact_raw"]);
    expectClose(scoresOf("f1"), reports["f1_raw"]);
    for (const kind of ["raw_logits", "probabilities"]) {
      const nullScores = table<number>(`v2_na_${kind}.json`);
      const { exact, f1, total } = evaluateSquadV2({ questions, predictions, nullScores });
      const best = officialBestThresholds({ questions, predictions }, nullScores);
      expectClose({ exact, f1, total, ...best }, reports[`official_${kind}`], kind);
      for (const [key, report] of Object.entries(reports)) {
        const threshold = new RegExp(`^script_${kind}_thresh_(.+)$`).exec(key)?.[1];
        if (threshold !== undefined) {
          expectClose(evaluateSquadV2({ questions, predictions, nullScores }, Number(threshold)), report, key);
        }
      }
    }
    expectClose(evaluateSquadV2({ questions, predictions }), reports["script_no_na"]);
  });
});
