/**
 * The heads that can sit on an ALBERT trunk. A model version carries one or more; requests name a head, and one pass of
 * the trunk can feed several.
 *
 * - `classification`: softmax over labels of the pooled output; with one label it is a regression.
 * - `span`: SQuAD v1, a start and an end logit per token.
 * - `span-answerability`: SQuAD v2, end logits conditioned on the start, plus one answerability logit.
 * - `multiple-choice`: one logit per (context, choice) sequence.
 * - `masked-lm`: vocabulary logits at chosen positions, tied to the word embeddings.
 * - `sentence-order`: two logits, in order (0) or swapped (1).
 */
export type HeadKind =
  | "classification"
  | "span"
  | "span-answerability"
  | "multiple-choice"
  | "masked-lm"
  | "sentence-order";

/** What a classification head's logits mean. */
export type ProblemType = "single-label" | "multi-label" | "regression";

interface HeadBase {
  /** Unique within a model, such as "sentiment". Requests select a head by it. */
  readonly name: string;
  /**
   * Prefix of the head's variables, without a slash. Absent: the official names (`output_weights`, `cls/squad/...`).
   * A model with two heads of one kind gives the second a scope, so that `heads/<scope>/output_weights` cannot collide.
   */
  readonly scope?: string;
}

export interface ClassificationHead extends HeadBase {
  readonly kind: "classification";
  readonly problemType: ProblemType;
  /** Label names in logit order; one entry for a regression. */
  readonly labels: readonly string[];
}

export interface TokenOrChoiceHead extends HeadBase {
  readonly kind: Exclude<HeadKind, "classification">;
}

export type Head = ClassificationHead | TokenOrChoiceHead;
