// The kinds of heads and all that the program must know of each, in one table that is exhaustive by type.

/**
 * The heads that can sit on an ALBERT trunk. A model version carries one or more; requests name a head, and one pass of
 * the trunk can feed several.
 *
 * - `classification`: softmax over labels of the pooled output; with one label it is a regression.
 * - `span`: SQuAD v1, a start and an end logit per token.
 * - `span-answerability`: SQuAD v2, end logits conditioned on the start, plus one answerability logit.
 * - `multiple-choice`: one logit per (context, choice) sequence.
 * - `masked-lm`: vocabulary logits at chosen positions, tied to the word embeddings unless the head says otherwise.
 * - `sentence-order`: two logits, in order (0) or swapped (1).
 */
export type HeadKind =
  | "classification"
  | "span"
  | "span-answerability"
  | "multiple-choice"
  | "masked-lm"
  | "sentence-order";

/** What the program must know of a kind of head, whatever the model it sits on. */
export interface HeadTraits {
  /** What it reads: one pooled vector per sequence, every token's, or those of the masked positions. */
  readonly reads: "pooled" | "tokens" | "masked-positions";
  /** How many sequences one answer needs: a choice is between several, everything else is about one. */
  readonly sequences: "one" | "several";
  /**
   * Whether its variables have names of its own in Google's code, so that a checkpoint shows that it has this head. Two
   * kinds share `output_weights`.
   */
  readonly variables: "own" | "shared";
  /** The class of Hugging Face's library for a model with this head alone; null where there is none. */
  readonly architecture: string | null;
}

/** Every kind of head, in the order in which people read them. A kind that is added to `HeadKind` must have its row. */
export const HEADS = {
  classification: {
    reads: "pooled",
    sequences: "one",
    variables: "shared",
    architecture: "AlbertForSequenceClassification",
  },
  span: { reads: "tokens", sequences: "one", variables: "own", architecture: "AlbertForQuestionAnswering" },
  "span-answerability": { reads: "tokens", sequences: "one", variables: "own", architecture: null },
  "multiple-choice": {
    reads: "pooled",
    sequences: "several",
    variables: "shared",
    architecture: "AlbertForMultipleChoice",
  },
  "masked-lm": { reads: "masked-positions", sequences: "one", variables: "own", architecture: "AlbertForMaskedLM" },
  "sentence-order": { reads: "pooled", sequences: "one", variables: "own", architecture: null },
} as const satisfies Record<HeadKind, HeadTraits>;

/** Every kind of head. */
export const HEAD_KINDS = Object.keys(HEADS) as readonly HeadKind[];

/** The kinds for which a trait has a value. */
export type HeadKindWith<Trait extends keyof HeadTraits, Value extends HeadTraits[Trait]> = {
  [Kind in HeadKind]: (typeof HEADS)[Kind][Trait] extends Value ? Kind : never;
}[HeadKind];

/** Whether a value names a kind of head. */
export function isHeadKind(value: unknown): value is HeadKind {
  return typeof value === "string" && Object.hasOwn(HEADS, value);
}

/** Whether a head reads the pooled output. */
export function readsPooled(kind: HeadKind): boolean {
  return HEADS[kind].reads === "pooled";
}

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
  /** Of one label a text: what the logits are divided by before the softmax, fitted on held-out data; 1 when left out. */
  readonly temperature?: number;
  /**
   * In the labels' order; 0.5 each when left out. Of any number of labels a text: the probability from which each is true. Of two
   * labels, one a text: the probability from which each is the answer; both add up to 1.
   */
  readonly thresholds?: readonly number[];
}

export interface MaskedLmHead extends HeadBase {
  readonly kind: "masked-lm";
  /** Its output matrix is a variable of its own, instead of the word embedding table. */
  readonly untied?: true;
}

export interface TokenOrChoiceHead extends HeadBase {
  readonly kind: Exclude<HeadKind, "classification" | "masked-lm">;
}

export type Head = ClassificationHead | MaskedLmHead | TokenOrChoiceHead;

/**
 * What stands in a head's place where a sentence encoder's vectors answer or learn. It has no variables, and no manifest names it:
 * how a text becomes a vector is in the manifest's `encoding`.
 */
export interface VectorOutput {
  readonly kind: "vectors";
  readonly name: "vectors";
  /** What pairs of texts are measured by: whether each finds its partner, or how alike people find them. Ranking when left out. */
  readonly measure?: "ranking" | "likeness";
}

/** What answers a task, or learns it: a head, or the vectors of a model without one. */
export type Answerer = Head | VectorOutput;

/** The heads that an answerer needs: itself, or none for vectors. */
export function headsOf(answerer: Answerer): readonly Head[] {
  return answerer.kind === "vectors" ? [] : [answerer];
}

/** The head without what was fitted to the weights that it has: further training makes others. */
export function uncalibrated<H extends Answerer>(head: H): H {
  if (head.kind !== "classification") return head;
  const { temperature: _, thresholds: __, ...rest } = head;
  return rest as H; // both keys are optional
}

/** The kinds of the heads that have the official names. */
export function kindsWithoutScope(heads: readonly Head[]): ReadonlySet<HeadKind> {
  return new Set(heads.filter(({ scope }) => scope === undefined).map(({ kind }) => kind));
}
