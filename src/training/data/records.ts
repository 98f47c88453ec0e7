import type { AlbertError } from "../../errors.ts";
import type { Head } from "../../model/heads.ts";
import { dataError } from "../../tasks/datasets/data-source.ts";
import {
  type ChoiceExample,
  type ClassificationExample,
  type Example,
  labelIdOf,
  type QuestionExample,
  type TaskName,
} from "../../tasks/datasets/examples.ts";
import { type EncodedSequence, encodeTexts } from "../../tasks/features/sequence.ts";
import { encodeChoices } from "../../tasks/multiple-choice/choice-sequence.ts";
import {
  type OffsetSource,
  prepareContext,
  spanLabels,
  squadFeatures,
} from "../../tasks/question-answering/squad-features.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { TrainingRecord } from "../collate.ts";

export interface RecordOptions {
  readonly task: TaskName;
  readonly head: Head;
  readonly tokenizer: Tokenizer;
  readonly maxSequenceLength: number;
  readonly docStride: number;
  readonly maxQueryLength: number;
  readonly maxQaLength: number;
  /** How answers are placed among the pieces: exactly, or as the official alignment does; "exact" when left out. */
  readonly offsets?: OffsetSource;
}

/**
 * What an example is trained as: one record, or one for each window of a question. A question that the official alignment
 * drops has none.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) for an example that does not fit the head
 */
export type RecordMaker = (example: Example) => TrainingRecord[];

/** Makes the records of one dataset; keeps the last context's pieces for the questions that follow it. */
export function recordMaker(options: RecordOptions): RecordMaker {
  const classification = (example: ClassificationExample) => classificationRecord(example, options);
  const question = questionRecords(options);
  const choice = choiceRecord(options);
  return (example) => {
    if (example.kind === "question") return question(example);
    return [example.kind === "choice" ? choice(example) : classification(example)];
  };
}

/** Most choices of any question: the C of the batches that these records go into. */
export function mostChoices(records: Iterable<TrainingRecord>): number {
  let most = 0;
  for (const record of records) most = Math.max(most, record["sequence_lengths"]?.length ?? 0);
  return most;
}

function classificationRecord(example: ClassificationExample, options: RecordOptions): TrainingRecord {
  const { tokenizer, head, task } = options;
  if (head.kind !== "classification") throw unfit(example, head);
  const pair = example.textPair === undefined ? undefined : tokenizer.tokenize(example.textPair);
  const encoded = encodeTexts(tokenizer, tokenizer.tokenize(example.text), pair, options.maxSequenceLength);
  const sequence = { input_ids: encoded.inputIds, segment_ids: encoded.tokenTypeIds };
  const { label } = example;
  switch (head.problemType) {
    case "regression":
      if (typeof label !== "number") throw unfit(example, head);
      return { ...sequence, label_values: Float32Array.of(label) };
    case "multi-label": {
      const names = typeof label === "string" ? [label] : label;
      if (!Array.isArray(names) || !names.every((name) => head.labels.includes(name))) throw unfit(example, head);
      return { ...sequence, label_targets: Float32Array.from(head.labels, (name) => (names.includes(name) ? 1 : 0)) };
    }
    case "single-label": {
      const id = typeof label === "string" ? labelIdOf(label, head, task) : -1;
      if (id < 0) throw unfit(example, head);
      return { ...sequence, label_ids: Int32Array.of(id) };
    }
  }
}

function questionRecords(options: RecordOptions): (example: QuestionExample) => TrainingRecord[] {
  const { tokenizer, head } = options;
  const knowsNoAnswer = head.kind === "span-answerability";
  let last: { readonly text: string; readonly context: ReturnType<typeof prepareContext> } | undefined;
  return (example) => {
    if (head.kind !== "span" && !knowsNoAnswer) throw unfit(example, head);
    if (last?.text !== example.context) {
      last = { text: example.context, context: prepareContext(example.context, tokenizer, options.offsets ?? "exact") };
    }
    const { context } = last;
    if (context === undefined) return [];
    const [answer] = example.answers;
    const place =
      example.isImpossible || answer === undefined
        ? undefined
        : context.locate(answer.answerStart, Array.from(answer.text).length);
    if (place === undefined && !example.isImpossible) {
      throw dataError(example.location, `question ${example.id}: no piece of the context holds its answer`);
    }
    const features = squadFeatures(example.question, context, tokenizer, options);
    const labels = spanLabels(features, options.docStride, place);
    return features.map((feature, i): TrainingRecord => {
      const { startPosition, endPosition, isImpossible } = labels[i]!;
      return {
        input_ids: feature.inputIds,
        segment_ids: feature.tokenTypeIds,
        start_positions: Int32Array.of(startPosition),
        end_positions: Int32Array.of(endPosition),
        ...(knowsNoAnswer
          ? { p_mask: Float32Array.from(feature.answerMask), is_impossible: Float32Array.of(isImpossible ? 1 : 0) }
          : {}),
      };
    });
  };
}

function choiceRecord(options: RecordOptions): (example: ChoiceExample) => TrainingRecord {
  const { tokenizer, head } = options;
  let last: { readonly text: string; readonly pieces: TokenizedText } | undefined;
  return (example) => {
    if (head.kind !== "multiple-choice" || example.answer === undefined) throw unfit(example, head);
    if (last?.text !== example.context) last = { text: example.context, pieces: tokenizer.tokenize(example.context) };
    const asked = { question: example.question, options: example.choices };
    const sequences = encodeChoices(tokenizer, last.pieces, asked, options);
    return {
      input_ids: concatenate(sequences, "inputIds"),
      segment_ids: concatenate(sequences, "tokenTypeIds"),
      sequence_lengths: Int32Array.from(sequences, ({ inputIds }) => inputIds.length),
      label_ids: Int32Array.of(example.answer),
    };
  };
}

function concatenate(sequences: readonly EncodedSequence[], part: "inputIds" | "tokenTypeIds"): Int32Array {
  const joined = new Int32Array(sequences.reduce((sum, sequence) => sum + sequence[part].length, 0));
  let at = 0;
  for (const sequence of sequences) {
    joined.set(sequence[part], at);
    at += sequence[part].length;
  }
  return joined;
}

function unfit(example: Example, head: Head): AlbertError {
  return dataError(example.location, `example ${example.id} has no target for the ${head.kind} head ${head.name}`);
}
