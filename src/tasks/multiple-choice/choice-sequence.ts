import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import { processText } from "../features/process-text.ts";
import { type EncodedSequence, joinSegments } from "../features/sequence.ts";

// The sequence of a question with one of its choices, by the official rules.

/** `--max_qa_length` of the official script. */
const MAX_QA_LENGTH = 128;

/** `--max_seq_length` and `--max_qa_length`. */
export interface ChoiceLengths {
  readonly maxSequenceLength: number;
  readonly maxQaLength: number;
}

/** Longest question-and-choice segment by default: the official length, but at most half of a short sequence. */
export function defaultQaLength(maxSequenceLength: number): number {
  return Math.max(1, Math.min(MAX_QA_LENGTH, Math.floor((maxSequenceLength - 3) / 2)));
}

/**
 * A question completed by one choice: every "_" of the question becomes the choice; without one the choice follows it.
 * Both are cleaned before they are joined, as the official reader does.
 */
export function questionWithChoice(tokenizer: Tokenizer, question: string, choice: string): string {
  const cleanQuestion = processText(tokenizer, question);
  const cleanChoice = processText(tokenizer, choice);
  return cleanQuestion.includes("_")
    ? cleanQuestion.replaceAll("_", () => cleanChoice)
    : `${cleanQuestion} ${cleanChoice}`;
}

/**
 * `[CLS] context [SEP] question-and-choice [SEP]` by the official rules: the question and choice keep their *last*
 * `maxQaLength` pieces, then the context keeps its first pieces as far as there is room.
 */
export function encodeChoice(
  tokenizer: Tokenizer,
  context: TokenizedText,
  questionAndChoice: TokenizedText,
  limits: ChoiceLengths,
): EncodedSequence {
  const maxQa = Math.min(limits.maxQaLength, limits.maxSequenceLength - 3);
  const second = questionAndChoice.ids.subarray(Math.max(0, questionAndChoice.ids.length - maxQa));
  const room = limits.maxSequenceLength - 3 - second.length;
  const first = context.ids.subarray(0, room);
  return {
    ...joinSegments(tokenizer, first, second),
    kept: [first.length, second.length],
    truncated: first.length < context.ids.length || second.length < questionAndChoice.ids.length,
  };
}

/** One sequence for each choice of a question. @param context  the article, tokenized once for all of its questions */
export function encodeChoices(
  tokenizer: Tokenizer,
  context: TokenizedText,
  asked: { readonly question: string; readonly options: readonly string[] },
  limits: ChoiceLengths,
): EncodedSequence[] {
  return asked.options.map((option) =>
    encodeChoice(tokenizer, context, tokenizer.tokenize(questionWithChoice(tokenizer, asked.question, option)), limits),
  );
}
