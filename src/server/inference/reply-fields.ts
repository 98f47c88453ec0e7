import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AnswerSchema,
  type FilledMaskSchema,
  type LabelScoreSchema,
  ProblemType as ProblemTypeField,
  type TokenSchema,
} from "../../gen/albert/v1/inference_pb.js";
import type { ProblemType } from "../../model/heads.ts";
import type { ClassificationAnswer } from "../../tasks/classification/classification.ts";
import type { FilledMask } from "../../tasks/masked-lm/fill-mask.ts";
import type { QuestionAnswer } from "../../tasks/question-answering/span-answer.ts";
import type { SequenceToken } from "../../tasks/text-request.ts";

// The parts of replies that several RPCs share.

/** What a classification head's scores mean, as a field. A sentence-order head is one with two labels. */
export const PROBLEM_TYPES: Readonly<Record<ProblemType, ProblemTypeField>> = {
  "single-label": ProblemTypeField.SINGLE_LABEL,
  "multi-label": ProblemTypeField.MULTI_LABEL,
  regression: ProblemTypeField.REGRESSION,
};

/** Labels or a value, as fields that Classify and Infer share. */
export function classificationFields(
  answer: ClassificationAnswer,
  withLogits: boolean,
): { problemType: ProblemTypeField; labels: MessageInitShape<typeof LabelScoreSchema>[]; value?: number } {
  const problemType = PROBLEM_TYPES[answer.kind];
  if (answer.kind === "regression") return { problemType, labels: [], value: answer.value };
  return {
    problemType,
    labels: answer.labels.map(({ label, probability, logit }) => ({
      label,
      score: probability,
      ...(withLogits ? { logit } : {}),
    })),
  };
}

export function answerFields({ answers }: QuestionAnswer): MessageInitShape<typeof AnswerSchema>[] {
  return answers.map(({ text, start, end, probability, startScore, endScore, window }) => ({
    text,
    start,
    end,
    score: probability,
    logit: startScore + endScore,
    window,
  }));
}

export function maskFields(masks: readonly FilledMask[]): MessageInitShape<typeof FilledMaskSchema>[] {
  return masks.map(({ start, end, candidates }) => ({
    start,
    end,
    candidates: candidates.map(({ piece, id, probability, text }) => ({
      piece,
      tokenId: id,
      score: probability,
      text,
    })),
  }));
}

export function tokenFields({
  piece,
  id,
  start,
  end,
  segment,
  special,
}: SequenceToken): MessageInitShape<typeof TokenSchema> {
  return { piece, id, start, end, segment, special };
}
