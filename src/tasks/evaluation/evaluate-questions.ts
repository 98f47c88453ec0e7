import type { OutputName, SequenceInput, SequenceOutput } from "../../runtime/engine.ts";
import type { TokenizedText } from "../../tokenizer/tokenizer.ts";
import type { QuestionExample } from "../datasets/examples.ts";
import { evaluateSquadV1, type GoldAnswers } from "../metrics/squad-metrics.ts";
import { bestNullThreshold, evaluateSquadV2, officialBestThresholds } from "../metrics/squad-v2-metrics.ts";
import { codePointStarts } from "../offset-units.ts";
import { finiteOutput } from "../outputs.ts";
import type { TaskModel } from "../plan.ts";
import { beamCandidates, pairCandidates } from "../question-answering/candidates.ts";
import { beamOutput } from "../question-answering/span-answer.ts";
import { planSpans, QA_DEFAULTS, spanSequence } from "../question-answering/span-plan.ts";
import { prepareContext, squadFeatures } from "../question-answering/squad-features.ts";
import {
  NO_SPAN_SCORE,
  predictedText,
  predictSquad,
  type SquadPrediction,
  type WindowResult,
} from "../question-answering/squad-predictions.ts";
import type { DatasetEvaluation, EvaluationInput, EvaluationOptions } from "./prediction.ts";
import { runSequences } from "./run-sequences.ts";

/** Which head answers; only a span-answerability (v2) head knows "no answer". */
interface SpanHead {
  readonly name: OutputName;
  readonly kind: "span" | "span-answerability";
}

/** One question's sequences, and how its outputs become a prediction. */
interface QuestionPlan {
  readonly sequences: readonly SequenceInput[];
  readonly tokens: number;
  predict(outputs: readonly SequenceOutput[]): SquadPrediction;
}

/** Evaluates questions about contexts under a span (v1) or span-answerability (v2) head. */
export async function evaluateQuestions(
  input: EvaluationInput<QuestionExample>,
  head: SpanHead,
): Promise<DatasetEvaluation> {
  const { engine, model, options } = input;
  const rows: SquadPrediction[] = [];
  const golds: GoldAnswers[] = [];
  let tokens = 0;
  const plan =
    options.offsets === "official" ? officialPlanner(model, head, options) : exactPlanner(model, head, options);
  async function* items() {
    for await (const example of input.examples) yield { example, ...plan(example) };
  }
  for await (const { item, outputs } of runSequences(engine, items(), options.signal)) {
    rows.push(item.predict(outputs));
    golds.push({ id: item.example.id, answers: item.example.answers.map(({ text }) => text) });
    tokens += item.tokens;
    options.onProgress?.(rows.length);
  }
  const { metrics, nullThreshold } = head.kind === "span" ? scoreV1(rows, golds) : scoreV2(rows, golds, model, options);
  return { metrics, predictions: { kind: "questions", rows, nullThreshold }, examples: rows.length, tokens };
}

/** Plans questions exactly as serving does. */
function exactPlanner(model: TaskModel, head: SpanHead, options: EvaluationOptions) {
  const nBestSize = options.nBestSize ?? QA_DEFAULTS.nBestSize;
  const spanOptions = {
    head: head.name,
    maxTokens: model.maxSequenceLength,
    maxQuestionTokens: options.maxQueryLength ?? QA_DEFAULTS.maxQueryLength,
    ...(options.docStride === undefined ? {} : { docStride: options.docStride }),
    maxWindows: Number.POSITIVE_INFINITY,
    answers: nBestSize,
    nBestSize,
    maxAnswerLength: options.maxAnswerLength ?? QA_DEFAULTS.maxAnswerLength,
    offsetUnit: "utf-16",
    search: "official",
    ...(head.kind === "span" ? {} : { nullThreshold: options.nullThreshold ?? 0 }),
  } as const;
  let last: { readonly text: string; readonly pieces: TokenizedText } | undefined;
  return (example: QuestionExample): QuestionPlan => {
    if (last?.text !== example.context) {
      last = { text: example.context, pieces: model.tokenizer.tokenize(example.context) };
    }
    const { sequences, tokens, answer } = planSpans(model.tokenizer, { ...example, pieces: last.pieces }, spanOptions);
    return {
      sequences,
      tokens,
      predict(outputs) {
        const { answers, nullScore } = answer(outputs);
        const nBest = answers.map(({ text, probability, startScore, endScore }) => ({
          text,
          probability,
          start_log_prob: startScore,
          end_log_prob: endScore,
        }));
        if (nBest.length === 0) {
          const score = head.kind === "span" ? 0 : NO_SPAN_SCORE;
          const text = head.kind === "span" ? "empty" : "";
          nBest.push({ text, probability: 1, start_log_prob: score, end_log_prob: score });
        }
        return { id: example.id, nBest, ...(nullScore === undefined ? {} : { nullScore }) };
      },
    };
  };
}

/** Plans questions as the official scripts do, with their alignment of pieces. */
function officialPlanner(model: TaskModel, head: SpanHead, options: EvaluationOptions) {
  const { tokenizer, maxSequenceLength } = model;
  const halfSequence = Math.floor((maxSequenceLength - 3) / 2);
  const lengths = {
    maxSequenceLength,
    maxQueryLength: options.maxQueryLength ?? Math.min(QA_DEFAULTS.maxQueryLength, halfSequence),
    docStride: options.docStride ?? Math.min(QA_DEFAULTS.docStride, Math.max(1, Math.floor(halfSequence / 2))),
  };
  const search = {
    nBestSize: options.nBestSize ?? QA_DEFAULTS.nBestSize,
    maxAnswerLength: options.maxAnswerLength ?? QA_DEFAULTS.maxAnswerLength,
  };
  const version = head.kind === "span" ? "v1.1" : "v2.0";
  let last: { readonly text: string; readonly context: ReturnType<typeof prepareContext> } | undefined;
  return (example: QuestionExample): QuestionPlan => {
    if (last?.text !== example.context) {
      last = { text: example.context, context: prepareContext(example.context, tokenizer, "official") };
    }
    const { context } = last;
    const features = context === undefined ? [] : squadFeatures(example.question, context, tokenizer, lengths);
    const sequences = features.map(({ inputIds, documentOffset, length }) =>
      spanSequence({
        tokenizer,
        query: inputIds.subarray(1, documentOffset - 1),
        segment: inputIds.subarray(documentOffset, documentOffset + length),
        head: head.name,
        knowsNoAnswer: version === "v2.0",
      }),
    );
    return {
      sequences,
      tokens: sequences.reduce((total, { inputIds }) => total + inputIds.length, 0),
      predict(outputs) {
        const windows = features.map(
          (feature, i): WindowResult => ({
            startCharacters: feature.startCharacters,
            endCharacters: feature.endCharacters,
            candidates: [
              version === "v2.0"
                ? beamCandidates(beamOutput(outputs[i], head.name), feature, search)
                : pairCandidates(
                    finiteOutput(outputs[i], head.name, "startLogits"),
                    finiteOutput(outputs[i], head.name, "endLogits"),
                    feature,
                    search,
                  ),
            ],
            ...(version === "v2.0"
              ? { nullLogits: [finiteOutput(outputs[i], head.name, "answerabilityLogit")[0]!] }
              : {}),
          }),
        );
        const characters = codePointStarts(example.context);
        const slice = (from: number, to: number) => example.context.slice(characters[from], characters[to + 1]);
        return predictSquad(example.id, windows, slice, { nBestSize: search.nBestSize, version, models: 1 });
      },
    };
  };
}

interface QuestionScores {
  readonly metrics: Record<string, number>;
  readonly nullThreshold: number | null;
}

function scoreV1(rows: readonly SquadPrediction[], golds: readonly GoldAnswers[]): QuestionScores {
  const judged = golds.filter(({ answers }) => answers.length > 0);
  if (judged.length === 0) return { metrics: {}, nullThreshold: null };
  return { metrics: { ...evaluateSquadV1(judged, texts(rows, null)), total: judged.length }, nullThreshold: null };
}

function scoreV2(
  rows: readonly SquadPrediction[],
  golds: readonly GoldAnswers[],
  model: TaskModel,
  options: EvaluationOptions,
): QuestionScores {
  const nullScores = new Map(rows.map(({ id, nullScore }) => [id, nullScore ?? 0]));
  if (golds.every(({ answers }) => answers.length === 0)) {
    return { metrics: {}, nullThreshold: options.nullThreshold ?? model.nullThreshold ?? 0 };
  }
  const untuned = { questions: golds, predictions: texts(rows, null), nullScores };
  const official = options.thresholds === "official";
  const nullThreshold =
    options.nullThreshold ??
    (official
      ? officialBestThresholds(untuned, nullScores).best_f1_thresh
      : bestNullThreshold(untuned, nullScores).threshold);
  const tuned = { questions: golds, predictions: texts(rows, nullThreshold) };
  const report = official ? evaluateSquadV2({ ...tuned, nullScores }) : evaluateSquadV2(tuned);
  return { metrics: { ...report, null_score_diff_threshold: nullThreshold }, nullThreshold };
}

function texts(rows: readonly SquadPrediction[], threshold: number | null): Map<string, string> {
  return new Map(rows.map((row) => [row.id, predictedText(row, threshold)]));
}
