import type { Example, QuestionExample } from "../../tasks/datasets/examples.ts";
import { questionWithChoice } from "../../tasks/multiple-choice/choice-sequence.ts";
import { type PreparedContext, prepareContext } from "../../tasks/question-answering/squad-features.ts";
import { documentWindows } from "../../tasks/question-answering/windows.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { LengthStatistics } from "./dataset-report.ts";
import { type RowIssue, rowIssue } from "./issues.ts";

// Measures examples in tokens, for the report on a data set.

/** What decides how texts are cut. */
export interface SequenceLengths {
  readonly maxSequenceLength: number;
  readonly maxQueryLength: number;
  readonly docStride: number;
}

/** Measures examples in tokens, and finds what the model will not see of them. */
export class LengthTally {
  readonly #options: { readonly tokenizer: Tokenizer } & SequenceLengths;
  readonly #lengths: number[] = [];
  #truncated = 0;
  #last: { readonly text: string; readonly context: PreparedContext } | undefined;

  constructor(options: { readonly tokenizer: Tokenizer } & SequenceLengths) {
    this.#options = options;
  }

  add(example: Example, place: RowIssue["location"]): RowIssue[] {
    const { maxSequenceLength } = this.#options;
    if (example.kind === "question") return this.#addQuestion(example, place);
    const length = this.#tokens(example);
    this.#lengths.push(length);
    if (length <= maxSequenceLength) return [];
    this.#truncated++;
    return [rowIssue("truncated", place, `${length} tokens, ${maxSequenceLength} fit`)];
  }

  statistics(): LengthStatistics {
    const sorted = Float64Array.from(this.#lengths).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return {
      mean: sorted.length === 0 ? 0 : sorted.reduce((sum, length) => sum + length, 0) / sorted.length,
      median: at(0.5),
      p95: at(0.95),
      longest: sorted.at(-1) ?? 0,
      truncatedRows: this.#truncated,
      maxSequenceLength: this.#options.maxSequenceLength,
    };
  }

  /** A long document is no loss, since windows cover it; an answer that no window holds whole is. */
  #addQuestion(example: QuestionExample, place: RowIssue["location"]): RowIssue[] {
    const { tokenizer, maxSequenceLength, maxQueryLength, docStride } = this.#options;
    if (this.#last?.text !== example.context) {
      this.#last = { text: example.context, context: prepareContext(example.context, tokenizer, "exact")! };
    }
    const { context } = this.#last;
    const query = Math.min(tokenizer.tokenize(example.question).ids.length, maxQueryLength);
    const pieces = context.pieces.ids.length;
    this.#lengths.push(query + pieces + 3);
    const room = maxSequenceLength - query - 3;
    if (room >= pieces) return [];
    this.#truncated++;
    const [answer] = example.answers;
    if (answer === undefined || room < 1) return [];
    const found = context.locate(answer.answerStart, [...answer.text].length);
    const windows = documentWindows(pieces, room, docStride);
    const isWhole = windows.some(
      ({ start, length }) => found !== undefined && start <= found.first && found.last < start + length,
    );
    return isWhole ? [] : [rowIssue("answer-cut-off", place, "no window holds the whole answer", answer.text)];
  }

  #tokens(example: Exclude<Example, QuestionExample>): number {
    const count = (text: string) => this.#options.tokenizer.tokenize(text).ids.length;
    if (example.kind === "classification") {
      const pair = example.textPair === undefined ? 0 : count(example.textPair);
      return count(example.text) + (pair > 0 ? pair + 3 : 2);
    }
    if (example.kind === "pair") {
      return Math.max(...[example.anchor, ...example.positives, ...example.negatives].map((text) => count(text) + 2));
    }
    const { tokenizer } = this.#options;
    const longest = Math.max(
      ...example.choices.map((choice) => count(questionWithChoice(tokenizer, example.question, choice))),
    );
    return count(example.context) + longest + 3;
  }
}
