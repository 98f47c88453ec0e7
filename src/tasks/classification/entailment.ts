import type { ClassificationHead, Head } from "../../model/heads.ts";

// Which labels of a head of natural-language inference mean that a hypothesis follows from a text, and that it does not.

/** Where the labels of a head of natural-language inference stand among its logits. */
export interface EntailmentLabels {
  readonly entailment: number;
  /** What speaks against it: contradiction, or not_entailment; undefined where no label is named for that. */
  readonly contradiction: number | undefined;
}

/** By name, in any case: the label that begins with "entail", as transformers' zero-shot pipeline finds it. */
const ENTAILMENT = /^entail/i;
/** MNLI's contradiction, and the other label of RTE, QNLI and WNLI. */
const CONTRADICTION = /^(contradict|(no|non|not)[ _-]?entail)/i;

/** @returns undefined for a head that is none of natural-language inference, as far as its labels tell */
export function entailmentLabels(head: Head): EntailmentLabels | undefined {
  if (head.kind !== "classification" || head.problemType !== "single-label") return undefined;
  const entailment = head.labels.findIndex((label) => ENTAILMENT.test(label));
  if (entailment < 0) return undefined;
  const named = head.labels.findIndex((label) => CONTRADICTION.test(label));
  const other = head.labels.length === 2 ? 1 - entailment : undefined;
  return { entailment, contradiction: named < 0 ? other : named };
}

/** Whether a head judges if a hypothesis follows from a text, and so takes labels of a request's own. */
export function infersEntailment(head: Head): head is ClassificationHead {
  return entailmentLabels(head) !== undefined;
}
