import { invalidInput } from "../errors.ts";
import type { ClassificationHead } from "../model/heads.ts";
import type { SquadQuestion } from "../tasks/datasets/squad.ts";
import { encodeTexts } from "../tasks/features/sequence.ts";
import { type ChoiceLengths, encodeChoices } from "../tasks/multiple-choice/choice-sequence.ts";
import {
  type OffsetSource,
  type PreparedContext,
  prepareContext,
  type SquadLengths,
  spanLabels,
  squadFeatures,
  trainingAnswer,
} from "../tasks/question-answering/squad-features.ts";
import type { TokenizedText, Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TrainingRecord } from "./collate.ts";

/** One row of classification data. */
export interface ClassificationExample {
  readonly text: string;
  readonly textPair?: string;
  /** A label's name; for a multi-label head several, comma-separated names; for a regression a number. */
  readonly label: string | readonly string[] | number;
}

/** One question with its options. */
export interface ChoiceExample {
  readonly context: string;
  readonly question: string;
  readonly options: readonly string[];
  /** Index of the right option. */
  readonly answer: number;
}

/** A classification, pair or regression row as training sees it. */
export function classificationRecord(
  example: ClassificationExample,
  head: ClassificationHead,
  tokenizer: Tokenizer,
  maxSequenceLength: number,
): TrainingRecord {
  const { inputIds, tokenTypeIds } = encodeTexts(
    tokenizer,
    tokenizer.tokenize(example.text),
    example.textPair === undefined ? undefined : tokenizer.tokenize(example.textPair),
    maxSequenceLength,
  );
  return { input_ids: inputIds, segment_ids: tokenTypeIds, ...labelTensors(example.label, head) };
}

function labelTensors(label: ClassificationExample["label"], head: ClassificationHead): TrainingRecord {
  switch (head.problemType) {
    case "single-label":
      return { label_ids: Int32Array.of(labelIndex(String(label), head)) };
    case "regression": {
      const value = Number(label);
      if (!Number.isFinite(value)) throw unknownLabel(String(label), "a number");
      return { label_values: Float32Array.of(value) };
    }
    case "multi-label": {
      const names = typeof label === "object" ? label : String(label).split(",");
      const targets = new Float32Array(head.labels.length);
      for (const name of names.map((part) => part.trim()).filter((part) => part !== "")) {
        targets[labelIndex(name, head)] = 1;
      }
      return { label_targets: targets };
    }
  }
}

function labelIndex(label: string, { labels }: ClassificationHead): number {
  const index = labels.indexOf(label);
  if (index < 0) throw unknownLabel(label, `one of ${labels.join(", ")}`);
  return index;
}

function unknownLabel(label: string, expected: string) {
  return invalidInput([{ field: "label", description: `expected ${expected}, got ${JSON.stringify(label)}` }]);
}

/** Every multiple-choice question: one sequence for each option, end to end. Questions of one article share its pieces. */
export async function* choiceRecords(
  examples: AsyncIterable<ChoiceExample> | Iterable<ChoiceExample>,
  tokenizer: Tokenizer,
  limits: ChoiceLengths,
): AsyncGenerator<TrainingRecord> {
  let article: { readonly text: string; readonly pieces: TokenizedText } | undefined;
  for await (const { context, question, options, answer } of examples) {
    if (article?.text !== context) article = { text: context, pieces: tokenizer.tokenize(context) };
    const sequences = encodeChoices(tokenizer, article.pieces, { question, options }, limits);
    yield {
      input_ids: concatenated(sequences.map(({ inputIds }) => inputIds)),
      segment_ids: concatenated(sequences.map(({ tokenTypeIds }) => tokenTypeIds)),
      sequence_lengths: Int32Array.from(sequences, ({ inputIds }) => inputIds.length),
      label_ids: Int32Array.of(answer),
    };
  }
}

export interface SpanRecordOptions extends SquadLengths {
  readonly offsets: OffsetSource;
  /** Whether the head judges answerability (SQuAD v2). */
  readonly answerability: boolean;
}

/** What making records of questions left out. */
export interface SpanRecordReport {
  /** Called for a question whose context cannot be aligned, or whose answer lies on no piece. */
  dropped(question: SquadQuestion): void;
}

/** Every window of every question. Questions of one paragraph, which follow each other, share its tokenization. */
export async function* spanRecords(
  questions: AsyncIterable<SquadQuestion> | Iterable<SquadQuestion>,
  tokenizer: Tokenizer,
  options: SpanRecordOptions,
  report: SpanRecordReport,
): AsyncGenerator<TrainingRecord> {
  let prepared: { readonly text: string; readonly context: PreparedContext | undefined } | undefined;
  for await (const question of questions) {
    if (prepared?.text !== question.context) {
      prepared = { text: question.context, context: prepareContext(question.context, tokenizer, options.offsets) };
    }
    const { context } = prepared;
    const answer = context === undefined ? undefined : trainingAnswer(question, context);
    const answerable = !question.isImpossible && question.answers.length > 0;
    if (context === undefined || (answerable && answer === undefined)) {
      report.dropped(question);
      continue;
    }
    const windows = squadFeatures(question.question, context, tokenizer, options);
    const labels = spanLabels(windows, options.docStride, answer);
    for (const [at, window] of windows.entries()) {
      const { startPosition, endPosition, isImpossible } = labels[at]!;
      yield {
        input_ids: window.inputIds,
        segment_ids: window.tokenTypeIds,
        start_positions: Int32Array.of(startPosition),
        end_positions: Int32Array.of(endPosition),
        ...(options.answerability
          ? { p_mask: Float32Array.from(window.answerMask), is_impossible: Float32Array.of(isImpossible ? 1 : 0) }
          : {}),
      };
    }
  }
}

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
