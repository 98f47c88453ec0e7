import { HEAD_KINDS, HEADS, type Head, type HeadKindWith, readsPooled } from "../model/heads.ts";
import { type OutputName, POOLED_OUTPUT, type SequenceInput, type SequenceOutput } from "../runtime/engine.ts";
import {
  type ClassificationAnswer,
  checkLabelOptions,
  type LabelOptions,
  labelAnswer,
} from "./classification/classification.ts";
import { encodeTexts } from "./features/sequence.ts";
import {
  checkMasks,
  checkTopCandidates,
  type FillMaskAnswer,
  fillMaskAnswer,
  findMasks,
  tokenizeMasked,
} from "./masked-lm/fill-mask.ts";
import type { OffsetUnit } from "./offset-units.ts";
import { finiteOutput } from "./outputs.ts";
import {
  inputTooLong,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  UNLIMITED,
} from "./plan.ts";
import { softmax } from "./probabilities.ts";
import { checkSpanOptions } from "./question-answering/question-answering.ts";
import { type QuestionAnswer, spanAnswer } from "./question-answering/span-answer.ts";
import { answerMask, QA_DEFAULTS } from "./question-answering/span-plan.ts";
import { documentWindows } from "./question-answering/windows.ts";
import { RequestChecks } from "./request-checks.ts";
import { checkTexts, type TextRequest } from "./text-request.ts";

// Inference with several heads over one text: from a request to a plan, from logits to answers. It runs no model.

/** What to ask one head. */
export interface HeadRequest extends Pick<LabelOptions, "threshold"> {
  readonly head: string;
  /** Most labels, answers or candidates. All labels, 1 answer, 5 candidates when left out. */
  readonly topK?: number;
  /** Question-answering heads: longest answer in pieces. */
  readonly maxAnswerTokens?: number;
}

export interface InferenceRequest extends TextRequest {
  /** The heads to ask, each at most once. */
  readonly heads: readonly HeadRequest[];
  /** Also return the pooled vector. */
  readonly returnPooled?: boolean;
  readonly offsetUnit?: OffsetUnit;
}

/** What one head said. */
export type HeadAnswer = { readonly head: string } & (
  | { readonly kind: "classification"; readonly classification: ClassificationAnswer }
  | { readonly kind: "span" | "span-answerability"; readonly answer: QuestionAnswer }
  | { readonly kind: "masked-lm"; readonly filled: FillMaskAnswer }
  /** Probabilities that the two texts stand in their original order, and that they were swapped. */
  | { readonly kind: "sentence-order"; readonly inOrder: number; readonly swapped: number }
);

export interface InferenceAnswer {
  /** In the order of the request. */
  readonly heads: readonly HeadAnswer[];
  /** [H], where asked for. */
  readonly pooled?: Float32Array;
}

/** The heads that one text (or pair) can be given to together. */
type SharedKind = HeadKindWith<"sequences", "one">;

const SHARED_KINDS = HEAD_KINDS.filter((kind): kind is SharedKind => HEADS[kind].sequences === "one");

/**
 * Asks several heads about one text (or pair) in a single pass of the trunk. For a question-answering head the first text
 * is the question and the second the document, which must fit into one sequence here; a masked-LM head fills the masks of
 * the first text.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG; precondition (HEAD_MISSING)
 */
export function planInference(
  request: InferenceRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<InferenceAnswer> {
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  if (request.head) checks.refuse("options.head", "must be empty: name the heads in heads");
  if (request.heads.length === 0 && !request.returnPooled) checks.refuse("heads", "must hold at least one head");
  if (request.heads.length > model.heads.length) {
    checks.refuse("heads", `must hold at most ${model.heads.length}, as many as the model has`);
  }
  const heads = request.heads.slice(0, model.heads.length).map(({ head }) => selectHead(model, SHARED_KINDS, head));
  const duplicate = heads.findIndex((head, i) => heads.indexOf(head) !== i);
  if (duplicate >= 0) checks.refuse(`heads[${duplicate}].head`, "is asked twice");
  const fillsMasks = heads.some(({ kind }) => kind === "masked-lm");
  const masks = fillsMasks ? findMasks(request.text) : [];
  if (fillsMasks) checkMasks(checks, masks);
  const maxTokens = checks.maxTokens(request, model);
  const asked = heads.map((head, i) => headQuestion(checks, `heads[${i}].`, head, { request, model, masks, index: i }));
  refuseIfAny(checks.violations);

  const { tokenizer } = model;
  const masked = fillsMasks ? tokenizeMasked(tokenizer, request.text, masks) : undefined;
  const first = masked ?? tokenizer.tokenize(request.text);
  const second = request.textPair === undefined ? undefined : tokenizer.tokenize(request.textPair);
  const encoded = encodeTexts(tokenizer, first, second, maxTokens);
  const mustFit = heads.some(({ kind }) => !readsPooled(kind));
  if (encoded.truncated && (mustFit || request.truncation === "error")) {
    const tokens = first.ids.length + (second?.ids.length ?? 0) + 3;
    throw inputTooLong(tokens, maxTokens, mustFit ? "ask these heads one by one" : "allow truncation");
  }
  const outputs: OutputName[] = heads.map(({ name }) => name);
  if (request.returnPooled) outputs.push(POOLED_OUTPUT);
  const [firstLength, secondLength] = encoded.kept;
  const { startTopN, endTopN } = QA_DEFAULTS;
  const sequence: SequenceInput = {
    inputIds: encoded.inputIds,
    tokenTypeIds: encoded.tokenTypeIds,
    outputs,
    ...(masked === undefined ? {} : { maskedPositions: masked.maskIndexes.map((index) => index + 1) }),
    ...(heads.some(({ kind }) => kind === "span-answerability")
      ? { answerMask: answerMask(firstLength, secondLength), startTopN, endTopN }
      : {}),
  };
  return {
    head: outputs.join(","),
    sequences: [sequence],
    tokens: sequence.inputIds.length,
    windows: 1,
    truncated: encoded.truncated,
    answer: ([output]) => ({
      heads: asked.map((answerOf) => answerOf(output, firstLength + 2)),
      ...(request.returnPooled ? { pooled: finiteOutput(output, POOLED_OUTPUT, "values").slice() } : {}),
    }),
  };
}

/** Reads one head's answer out of the sequence's output. */
type AnswerReader = (output: SequenceOutput | undefined, documentOffset: number) => HeadAnswer;

function headQuestion(
  checks: RequestChecks,
  prefix: string,
  selected: Head & { readonly kind: SharedKind },
  asked: {
    readonly request: InferenceRequest;
    readonly model: TaskModel;
    readonly masks: readonly number[];
    readonly index: number;
  },
): AnswerReader {
  const { request, model, masks } = asked;
  const { head, topK, threshold, maxAnswerTokens } = request.heads[asked.index]!;
  const unit = request.offsetUnit ?? "utf-16";
  const { kind } = selected;
  if (kind !== "classification" && threshold !== undefined) {
    checks.refuse(`${prefix}threshold`, `head ${head} gives no labels`);
  }
  if (kind !== "span" && kind !== "span-answerability" && maxAnswerTokens !== undefined) {
    checks.refuse(`${prefix}max_answer_tokens`, `head ${head} gives no spans`);
  }
  switch (kind) {
    case "classification": {
      const options: LabelOptions = {
        ...(topK === undefined ? {} : { topK }),
        ...(threshold === undefined ? {} : { threshold }),
      };
      checkLabelOptions(checks, prefix, selected, options);
      return (output) => ({
        head,
        kind,
        classification: labelAnswer(finiteOutput(output, head, "logits"), selected, options),
      });
    }
    case "sentence-order":
      if (request.textPair === undefined) checks.refuse("text_pair", `head ${head} compares two texts`);
      if (topK !== undefined) checks.refuse(`${prefix}top_k`, `head ${head} always gives two probabilities`);
      return (output) => {
        const [inOrder, swapped] = softmax(finiteOutput(output, head, "logits"));
        return { head, kind, inOrder: inOrder!, swapped: swapped! };
      };
    case "masked-lm": {
      const count = checkTopCandidates(checks, `${prefix}top_k`, topK);
      return (output) => ({
        head,
        kind,
        filled: fillMaskAnswer(finiteOutput(output, head, "logits"), {
          text: request.text,
          masks,
          tokenizer: model.tokenizer,
          topK: count,
          unit,
        }),
      });
    }
    case "span":
    case "span-answerability": {
      const context = request.textPair;
      if (context === undefined) checks.refuse("text_pair", `head ${head} answers from a document`);
      const nBest = checks.integer(`${prefix}top_k`, topK, 1, 1, 100);
      const options = checkSpanOptions(checks, prefix, {
        head,
        knowsNoAnswer: kind === "span-answerability",
        request: { nBest, offsetUnit: unit, ...(maxAnswerTokens === undefined ? {} : { maxAnswerTokens }) },
        model,
      });
      return (output, documentOffset) => {
        const pieces = model.tokenizer.tokenize(context ?? "");
        const windows = documentWindows(pieces.ids.length, pieces.ids.length, 1);
        const document = { context: context ?? "", pieces, windows, documentOffset };
        return { head, kind, answer: spanAnswer(output === undefined ? [] : [output], document, options) };
      };
    }
  }
}
