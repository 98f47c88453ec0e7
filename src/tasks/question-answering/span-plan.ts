import { AlbertError } from "../../errors.ts";
import type { OutputName, SequenceInput } from "../../runtime/engine.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import { joinSegments } from "../features/sequence.ts";
import type { TaskPlan } from "../plan.ts";
import {
  type QuestionAnswer,
  type SpanAnswerOptions,
  SpanSearch,
  spanAnswer,
  type WindowedDocument,
} from "./span-answer.ts";
import { countWindows, type DocumentWindow, documentWindows, type WindowLayout, windowsBetween } from "./windows.ts";

// A question and a document as sequences, one for each window, and their outputs as an answer.

/**
 * `--doc_stride`, `--max_query_length`, `--n_best_size`, `--max_answer_length`, `--start_n_top` and `--end_n_top` of the
 * official scripts.
 */
export const QA_DEFAULTS = {
  docStride: 128,
  maxQueryLength: 64,
  nBestSize: 20,
  maxAnswerLength: 30,
  startTopN: 5,
  endTopN: 5,
} as const;

/** A document of more windows is carried out part by part; of fewer already, where more answers are ranked than usual. */
const MANY_WINDOWS = 64;

/** Everything that decides how a document is cut and searched. */
export interface SpanPlanOptions extends SpanAnswerOptions {
  readonly maxTokens: number;
  /** Never more than half of a sequence is used for the question. */
  readonly maxQuestionTokens: number;
  /** 128 when left out, but at most half a window. */
  readonly docStride?: number;
  readonly maxWindows: number;
}

/**
 * Cuts a document into windows for one question, whatever the texts hold.
 *
 * @param asked  with the context's pieces, where they are at hand from another question
 * @returns a plan without sequences for a context without pieces; its answer is "no answer"
 * @throws AlbertError invalid-input (INPUT_TOO_LONG) when more than `maxWindows` are needed
 */
export function planSpans(
  tokenizer: Tokenizer,
  asked: { readonly question: string; readonly context: string; readonly pieces?: TokenizedText },
  options: SpanPlanOptions,
): TaskPlan<QuestionAnswer> {
  const { head, maxTokens } = options;
  const knowsNoAnswer = options.nullThreshold !== undefined;
  const questionIds = tokenizer.tokenize(asked.question).ids;
  const longestQuery = Math.max(1, Math.floor((maxTokens - 3) / 2));
  const query = questionIds.subarray(0, Math.min(options.maxQuestionTokens, longestQuery));
  const pieces = asked.pieces ?? tokenizer.tokenize(asked.context);
  const room = maxTokens - query.length - 3;
  const stride = options.docStride ?? Math.max(1, Math.min(QA_DEFAULTS.docStride, Math.floor(room / 2)));
  const layout = { pieces: pieces.ids.length, room, stride };
  const count = countWindows(pieces.ids.length, room, stride);
  if (count > options.maxWindows) throw tooManyWindows(count, stride, options.maxWindows, pieces.ids.length);
  const sequenceOf = ({ start, length }: DocumentWindow) =>
    spanSequence({ tokenizer, query, segment: pieces.ids.subarray(start, start + length), head, knowsNoAnswer });
  const document = { context: asked.context, pieces, documentOffset: query.length + 2 };
  const about = { head, windows: count, truncated: query.length < questionIds.length };
  const ranked = Math.max(options.nBestSize, QA_DEFAULTS.nBestSize);
  if (count * ranked > MANY_WINDOWS * QA_DEFAULTS.nBestSize)
    return longPlan({ about, layout, added: query.length + 3, sequenceOf, document, options });
  const windows = documentWindows(pieces.ids.length, room, stride);
  const sequences = windows.map(sequenceOf);
  return {
    ...about,
    sequences,
    tokens: sequences.reduce((total, { inputIds }) => total + inputIds.length, 0),
    answer: (outputs) => spanAnswer(outputs, { ...document, windows }, options),
  };
}

/** What is known of a document that is cut into many windows. */
interface LongDocument {
  readonly about: Pick<TaskPlan<QuestionAnswer>, "head" | "windows" | "truncated">;
  readonly layout: WindowLayout;
  /** Tokens of a sequence that are not its window's. */
  readonly added: number;
  readonly sequenceOf: (window: DocumentWindow) => SequenceInput;
  readonly document: Omit<WindowedDocument, "windows">;
  readonly options: SpanAnswerOptions;
}

/** The plan of a document of many windows, which are made when their turn comes and forgotten when they are searched. */
function longPlan({ about, layout, added, sequenceOf, document, options }: LongDocument): TaskPlan<QuestionAnswer> {
  const { windows: count } = about;
  const all = () => windowsBetween(layout, 0, count);
  const step = Math.min(layout.room, layout.stride);
  const last = layout.pieces - (count - 1) * step;
  const lengths = () => Array.from({ length: count }, (_, i) => added + (i < count - 1 ? layout.room : last));
  return {
    ...about,
    get sequences() {
      return all().map(sequenceOf);
    },
    tokens: (count - 1) * (added + layout.room) + added + last,
    answer: (outputs) => spanAnswer(outputs, { ...document, windows: all() }, options),
    inParts: () => {
      const search = new SpanSearch(document, options);
      let taken = 0;
      let waiting: DocumentWindow[] = [];
      return {
        lengths: lengths(),
        take: (wanted) => {
          const windows = windowsBetween(layout, taken, Math.min(count, taken + wanted));
          taken += windows.length;
          waiting = [...waiting, ...windows];
          return windows.map(sequenceOf);
        },
        give: (outputs) => search.add(waiting.splice(0, outputs.length), outputs),
        answer: () => search.answer(),
      };
    },
  };
}

function tooManyWindows(count: number, stride: number, limit: number, pieces: number): AlbertError {
  const action =
    "send the document in parts, or have inputs.max_windows raised; a larger doc_stride needs fewer windows";
  const message = `the document has ${pieces} tokens and needs ${count} overlapping windows, one every ${stride} tokens; the limit is ${limit} windows: ${action}`;
  return new AlbertError("invalid-input", message, {
    reason: "INPUT_TOO_LONG",
    metadata: {
      tokens: String(pieces),
      windows: String(count),
      limit: String(limit),
      limit_setting: "inputs.max_windows",
      suggested_policy: "send the document in parts",
    },
  });
}

/** What one window's sequence is made of. */
export interface SpanSequenceParts {
  readonly tokenizer: Tokenizer;
  /** Ids of the question, already cut. */
  readonly query: Int32Array;
  /** Ids of the window. */
  readonly segment: Int32Array;
  readonly head: OutputName;
  /** Whether the head is a span-answerability one, which takes the answer mask and beam widths. */
  readonly knowsNoAnswer: boolean;
}

/** `[CLS] question [SEP] window [SEP]` with what the head needs in addition. */
export function spanSequence({ tokenizer, query, segment, head, knowsNoAnswer }: SpanSequenceParts): SequenceInput {
  const sequence = { ...joinSegments(tokenizer, query, segment), outputs: [head] };
  if (!knowsNoAnswer) return sequence;
  const { startTopN, endTopN } = QA_DEFAULTS;
  return { ...sequence, answerMask: answerMask(query.length, segment.length), startTopN, endTopN };
}

/**
 * The official `p_mask`: 1 where no answer may start or end. [CLS] stays open, since it stands for "no answer".
 */
export function answerMask(queryLength: number, documentLength: number): Uint8Array {
  const mask = new Uint8Array(queryLength + documentLength + 3).fill(1);
  mask[0] = 0;
  mask.fill(0, queryLength + 2, queryLength + 2 + documentLength);
  return mask;
}
