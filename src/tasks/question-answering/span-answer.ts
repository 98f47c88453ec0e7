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
import { rankAnswers } from "./n-best.ts";
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
  readonly pieces: TokenizedText;
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

type WindowedSpan = ScoredSpan & { readonly window: number };

/** The best spans over all windows of a document. @param outputs  one for each window */
export function spanAnswer(
  outputs: readonly SequenceOutput[],
  document: WindowedDocument,
  options: SpanAnswerOptions,
): QuestionAnswer {
  const { context } = document;
  const candidates = document.windows.flatMap((window, i): WindowedSpan[] =>
    windowCandidates(outputs[i], { ...window, documentOffset: document.documentOffset }, options).map((span) => ({
      ...span,
      window: i,
    })),
  );
  const ranked = rankAnswers(candidates, options.nBestSize, (span) => {
    const [start, end] = characterRange(document, span);
    return start < end ? context.slice(start, end) : undefined;
  }).slice(0, options.answers);
  const ranges = ranked.flatMap(({ span }) => characterRange(document, span));
  const offsets = convertOffsets(context, ranges, options.offsetUnit);
  const answers = ranked.map(({ text, span, probability }, i): SpanAnswer => {
    const { startScore, endScore, window } = span;
    return { text, start: offsets[2 * i]!, end: offsets[2 * i + 1]!, probability, startScore, endScore, window };
  });
  const { nullThreshold } = options;
  if (nullThreshold === undefined) return { answers, noAnswer: answers.length === 0 };
  const nullScore = outputs.reduce(
    (lowest, output) => Math.min(lowest, finiteOutput(output, options.head, "answerabilityLogit")[0]!),
    Number.POSITIVE_INFINITY,
  );
  return { answers, noAnswer: answers.length === 0 || nullScore >= nullThreshold, nullScore, nullThreshold };
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

/** The characters that a span's pieces came from, without white space at either end. */
function characterRange({ context, pieces, windows }: WindowedDocument, span: WindowedSpan): [number, number] {
  const first = windows[span.window]!.start;
  return strippedRange(context, pieces.starts[first + span.start]!, pieces.ends[first + span.end]!);
}
