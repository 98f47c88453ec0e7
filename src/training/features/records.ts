import type { Answerer, ClassificationHead } from "../../model/heads.ts";
import { dataError } from "../../tasks/datasets/data-source.ts";
import {
  type ChoiceExample,
  type ClassificationExample,
  type Example,
  labelIdOf,
  type PairExample,
  type QuestionExample,
  type TaskName,
} from "../../tasks/datasets/examples.ts";
import { encodeTexts } from "../../tasks/features/sequence.ts";
import { encodeChoices } from "../../tasks/multiple-choice/choice-sequence.ts";
import {
  type OffsetSource,
  type PreparedContext,
  prepareContext,
  spanLabels,
  squadFeatures,
} from "../../tasks/question-answering/squad-features.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { TrainingRecord } from "../step/collate.ts";

// Turns examples into training records.

export interface RecordOptions {
  readonly task: TaskName;
  readonly head: Answerer;
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly docStride: number;
  readonly maxQueryLength: number;
  readonly maxQaLength: number;
  /** Whether a teacher is learnt from: an example may then lack its label, and records say whether they have one. */
  readonly taught?: boolean;
  /** Called for a question whose context cannot be aligned or whose answer lies on no piece; it makes no record. */
  readonly onDropped: (example: QuestionExample) => void;
}

/**
 * Turns examples into training records, as a stream. A question gives one record for each window of its context;
 * consecutive examples over one text share its tokenization.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) with file, line and column for an example that cannot be trained on
 */
export async function* recordsOf(
  examples: AsyncIterable<Example>,
  options: RecordOptions,
): AsyncGenerator<TrainingRecord> {
  const pieces = lastOnly((text) => options.tokenizer.tokenize(text));
  const context = lastOnly((text) => prepareContext(text, options.tokenizer, offsetsOf(options.tokenizer)));
  const labelled = (record: TrainingRecord): TrainingRecord =>
    options.taught && record["label_weights"] === undefined ? { ...record, label_weights: Float32Array.of(1) } : record;
  for await (const example of examples) {
    switch (example.kind) {
      case "classification":
        yield labelled(classificationRecord(example, options));
        break;
      case "choice":
        yield labelled(choiceRecord(example, pieces(example.context), options));
        break;
      case "question":
        for (const record of windowRecords(example, context(example.context), options)) yield labelled(record);
        break;
      case "pair":
        yield* pairRecords(example, options);
        break;
    }
  }
}

/** What of the options changes the records: the parameters of their cache. */
export function recordParameters(options: Omit<RecordOptions, "onDropped">): Record<string, string | number> {
  const { task, head, tokenizer, maxSeqLength, docStride, maxQueryLength, maxQaLength, taught } = options;
  const common = { task, head: JSON.stringify(head), maxSeqLength, ...(taught ? { taught: 1 } : {}) };
  switch (head.kind) {
    case "span":
    case "span-answerability":
      return { ...common, docStride, maxQueryLength, offsets: offsetsOf(tokenizer) };
    case "multiple-choice":
      return { ...common, maxQaLength };
    case "classification":
    case "masked-lm":
    case "sentence-order":
    case "vectors":
      return common;
  }
}

/** Google's alignment needs the pieces of a SentencePiece model; others bring exact offsets of their own. */
export function offsetsOf(tokenizer: Tokenizer): OffsetSource {
  return tokenizer.kind === "sentencepiece" ? "official" : "exact";
}

function classificationRecord(example: ClassificationExample, options: RecordOptions): TrainingRecord {
  const { tokenizer, maxSeqLength } = options;
  const { inputIds, tokenTypeIds } = encodeTexts(
    tokenizer,
    tokenizer.tokenize(example.text),
    example.textPair === undefined ? undefined : tokenizer.tokenize(example.textPair),
    maxSeqLength,
  );
  return { input_ids: inputIds, segment_ids: tokenTypeIds, ...labelTensors(example, options) };
}

function labelTensors(example: ClassificationExample, { head, task, taught }: RecordOptions): TrainingRecord {
  const { label, location } = example;
  if (head.kind !== "classification") throw dataError(location, `a ${head.kind} head is not trained on labels`);
  if (label === undefined && taught) return { ...noLabel(head), label_weights: Float32Array.of(0) };
  if (label === undefined) throw dataError(location, "a training example needs a label");
  const idOf = (name: string) => {
    const id = labelIdOf(name, head, task);
    if (id < 0) throw dataError(location, `label is not one of ${head.labels.join(", ")}`);
    return id;
  };
  switch (head.problemType) {
    case "single-label":
      return { label_ids: Int32Array.of(idOf(String(label))) };
    case "regression": {
      const value = typeof label === "object" ? Number.NaN : Number(label);
      if (!Number.isFinite(value)) throw dataError(location, "expected a number as label");
      return { label_values: Float32Array.of(value) };
    }
    case "multi-label": {
      const targets = new Float32Array(head.labels.length);
      for (const name of typeof label === "object" ? label : [String(label)]) targets[idOf(name)] = 1;
      return { label_targets: targets };
    }
  }
}

/** What stands where a label would: its weight is 0. */
function noLabel({ problemType, labels }: ClassificationHead): TrainingRecord {
  switch (problemType) {
    case "single-label":
      return { label_ids: Int32Array.of(0) };
    case "regression":
      return { label_values: Float32Array.of(0) };
    case "multi-label":
      return { label_targets: new Float32Array(labels.length) };
  }
}

function choiceRecord(example: ChoiceExample, context: TokenizedText, options: RecordOptions): TrainingRecord {
  const { question, choices, answer, location } = example;
  if (answer === undefined) throw dataError(location, "a training question needs its right choice");
  const limits = { maxSequenceLength: options.maxSeqLength, maxQaLength: options.maxQaLength };
  const sequences = encodeChoices(options.tokenizer, context, { question, options: choices }, limits);
  return {
    input_ids: concatenated(sequences.map(({ inputIds }) => inputIds)),
    segment_ids: concatenated(sequences.map(({ tokenTypeIds }) => tokenTypeIds)),
    sequence_lengths: Int32Array.from(sequences, ({ inputIds }) => inputIds.length),
    label_ids: Int32Array.of(answer),
  };
}

/** A record for each partner of an anchor: anchor, partner and negatives, each a sequence of its own. */
function* pairRecords(example: PairExample, { tokenizer, maxSeqLength }: RecordOptions): Generator<TrainingRecord> {
  const { anchor, positives, negatives, score, location } = example;
  if (score !== undefined)
    throw dataError(location, "a pair with a score is for evaluation: contrastive training has none");
  const encoded = (text: string) => encodeTexts(tokenizer, tokenizer.tokenize(text), undefined, maxSeqLength);
  const [first, ...wrong] = [anchor, ...negatives].map(encoded);
  for (const positive of positives) {
    const sequences = [first!, encoded(positive), ...wrong]; // an anchor is always there
    yield {
      input_ids: concatenated(sequences.map(({ inputIds }) => inputIds)),
      segment_ids: concatenated(sequences.map(({ tokenTypeIds }) => tokenTypeIds)),
      sequence_lengths: Int32Array.from(sequences, ({ inputIds }) => inputIds.length),
    };
  }
}

function* windowRecords(
  example: QuestionExample,
  context: PreparedContext | undefined,
  options: RecordOptions,
): Generator<TrainingRecord> {
  const { answers, isImpossible } = example;
  const [answer] = isImpossible ? [] : answers;
  const pieces = answer && context?.locate(answer.answerStart, [...answer.text].length);
  if (context === undefined || (answer !== undefined && pieces === undefined)) {
    options.onDropped(example);
    return;
  }
  const { maxSeqLength: maxSequenceLength, docStride, maxQueryLength } = options;
  const windows = squadFeatures(example.question, context, options.tokenizer, {
    maxSequenceLength,
    docStride,
    maxQueryLength,
  });
  const labels = spanLabels(windows, docStride, pieces);
  for (const [at, window] of windows.entries()) {
    const { startPosition, endPosition, isImpossible: impossible } = labels[at]!;
    yield {
      input_ids: window.inputIds,
      segment_ids: window.tokenTypeIds,
      start_positions: Int32Array.of(startPosition),
      end_positions: Int32Array.of(endPosition),
      ...(options.head.kind === "span-answerability"
        ? { p_mask: Float32Array.from(window.answerMask), is_impossible: Float32Array.of(impossible ? 1 : 0) }
        : {}),
    };
  }
}

/** Remembers a function's last argument and result. */
function lastOnly<T>(compute: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly value: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, value: compute(text) };
    return last.value;
  };
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
