import type { OutputName, SequenceOutput } from "../../runtime/engine.ts";
import type { TokenizedText } from "../../tokenizer/tokenizer.ts";
import { convertOffsets, type OffsetUnit } from "../offset-units.ts";
import { finiteOutput, indexOutput } from "../outputs.ts";
import { strippedRange } from "../python-text.ts";
import {
  type BeamOutput,
  beamCandidates,
  exhaustiveCandidates,
  pairCandidates,
  type ScoredSpan,
  type SearchOptions,
  type SearchWindow,
} from "./candidates.ts";
import { bestAnswers, type FoundAnswer, withProbabilities } from "./n-best.ts";
import type { DocumentWindow } from "./windows.ts";

// Chooses the best spans over all windows of a document.

export interface SpanAnswer {
  /** Exactly the characters of the caller's context at `start..end`. */
  readonly text: string;
  /** Half-open range in the context, in the unit asked for. */
  readonly start: number;
  readonly end: number;
  /** Softmax over the candidates of this question that were ranked, 20 or more. */
  readonly probability: number;
  /** Logits (v1) or log-probabilities (v2) of both ends. */
  readonly startScore: number;
  readonly endScore: number;
  /** Which window it was found in, from 0. */
  readonly window: number;
}

export interface QuestionAnswer {
  /** Best first; given also where `noAnswer` holds, as the best guess. Empty where no span qualifies. */
  readonly answers: readonly SpanAnswer[];
  /** Whether the model holds that the context does not answer the question. */
  readonly noAnswer: boolean;
  /** Heads that know "no answer" only: the lowest answerability logit of all windows; high means unanswerable. */
  readonly nullScore?: number;
  /** The question has an answer if `nullScore` is below this. */
  readonly nullThreshold?: number;
}

/** A document as it went into sequences. */
export interface WindowedDocument {
  readonly context: string;
  readonly pieces: Pick<TokenizedText, "starts" | "ends">;
  readonly windows: readonly DocumentWindow[];
  /** Position in every sequence of its first document piece. */
  readonly documentOffset: number;
}

/** Which head answers, and how its candidates are ranked. */
export interface SpanAnswerOptions extends SearchOptions {
  readonly head: OutputName;
  /** For heads that know "no answer": the threshold. Absent for heads that always answer. */
  readonly nullThreshold?: number;
  /** Answers to give; `nBestSize` are ranked. */
  readonly answers: number;
  readonly offsetUnit: OffsetUnit;
  /** How a v1 head's candidates are found. */
  readonly search: "official" | "exhaustive";
}

/** A span with its window, and the first piece of that in the document. */
type DocumentSpan = ScoredSpan & { readonly window: number; readonly firstPiece: number };

/** The best spans over all windows of a document. @param outputs  one for each window */
export function spanAnswer(
  outputs: readonly SequenceOutput[],
  { windows, ...document }: WindowedDocument,
  options: SpanAnswerOptions,
): QuestionAnswer {
  const search = new SpanSearch(document, options);
  search.add(windows, outputs);
  return search.answer();
}

/** Finds the best spans of a document window by window, and keeps no more than will be ranked. */
export class SpanSearch {
  readonly #document: Omit<WindowedDocument, "windows">;
  readonly #options: SpanAnswerOptions;
  #best: readonly FoundAnswer<DocumentSpan>[] = [];
  #windows = 0;
  #nullScore = Number.POSITIVE_INFINITY;

  constructor(document: Omit<WindowedDocument, "windows">, options: SpanAnswerOptions) {
    this.#document = document;
    this.#options = options;
  }

  /** Takes in the next windows of the document. @param outputs  one for each of them */
  add(windows: readonly DocumentWindow[], outputs: readonly SequenceOutput[]): void {
    const { documentOffset } = this.#document;
    const { head, nullThreshold, nBestSize } = this.#options;
    for (const [i, window] of windows.entries()) {
      // Once the list is full, what scores no more than its last cannot enter it: most windows leave little to be ranked.
      const last = this.#best.length === nBestSize ? this.#best.at(-1)?.span : undefined;
      const least = last === undefined ? Number.NEGATIVE_INFINITY : last.startScore + last.endScore;
      const candidates: DocumentSpan[] = [];
      for (const span of windowCandidates(outputs[i], { ...window, documentOffset }, this.#options)) {
        const { start, end, startScore, endScore } = span;
        if (startScore + endScore <= least) continue;
        candidates.push({ start, end, startScore, endScore, window: this.#windows + i, firstPiece: window.start });
      }
      if (candidates.length === 0) continue;
      const found = this.#best.map(({ span }) => span);
      this.#best = bestAnswers([...found, ...candidates], nBestSize, (span) => this.#textOf(span));
    }
    this.#windows += windows.length;
    if (nullThreshold === undefined) return;
    for (const output of outputs) {
      this.#nullScore = Math.min(this.#nullScore, finiteOutput(output, head, "answerabilityLogit")[0]!);
    }
  }

  /** The answer from the windows taken in so far. */
  answer(): QuestionAnswer {
    const { nullThreshold, offsetUnit } = this.#options;
    const ranked = withProbabilities(this.#best).slice(0, this.#options.answers);
    const ranges = ranked.flatMap(({ span }) => this.#characterRange(span));
    const offsets = convertOffsets(this.#document.context, ranges, offsetUnit);
    const answers = ranked.map(({ text, span, probability }, i): SpanAnswer => {
      const { startScore, endScore, window } = span;
      return { text, start: offsets[2 * i]!, end: offsets[2 * i + 1]!, probability, startScore, endScore, window };
    });
    if (nullThreshold === undefined) return { answers, noAnswer: answers.length === 0 };
    const nullScore = this.#nullScore;
    return { answers, noAnswer: answers.length === 0 || nullScore >= nullThreshold, nullScore, nullThreshold };
  }

  #textOf(span: DocumentSpan): string | undefined {
    const [start, end] = this.#characterRange(span);
    return start < end ? this.#document.context.slice(start, end) : undefined;
  }

  /** The characters that a span's pieces came from, without white space at either end. */
  #characterRange({ firstPiece, start, end }: DocumentSpan): [number, number] {
    const { context, pieces } = this.#document;
    return strippedRange(context, pieces.starts[firstPiece + start]!, pieces.ends[firstPiece + end]!);
  }
}

/** The v2 head's proposals for one sequence. */
export function beamOutput(output: SequenceOutput | undefined, head: OutputName): BeamOutput {
  return {
    startLogProbs: finiteOutput(output, head, "startLogProbs"),
    startIndexes: indexOutput(output, head, "startIndexes"),
    endLogProbs: finiteOutput(output, head, "endLogProbs"),
    endIndexes: indexOutput(output, head, "endIndexes"),
  };
}

function windowCandidates(
  output: SequenceOutput | undefined,
  window: SearchWindow,
  options: SpanAnswerOptions,
): ScoredSpan[] {
  const { head } = options;
  if (options.nullThreshold !== undefined) return beamCandidates(beamOutput(output, head), window, options);
  const find = options.search === "exhaustive" ? exhaustiveCandidates : pairCandidates;
  return find(finiteOutput(output, head, "startLogits"), finiteOutput(output, head, "endLogits"), window, options);
}
