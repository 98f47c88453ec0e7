import { invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { argmax } from "../metrics/classification-metrics.ts";
import { finiteOutput } from "../outputs.ts";
import { refuseIfAny, selectHead, type TaskLimits, type TaskModel, type TaskPlan, UNLIMITED } from "../plan.ts";
import { sigmoid, softmax } from "../probabilities.ts";
import { RequestChecks } from "../request-checks.ts";
import { checkTexts, encodeRequest, type TextRequest } from "../text-request.ts";

// Classification of a text or a pair: from the request to a plan, from logits to labels. It runs no model.

/** How to turn a classification head's logits into an answer. */
export interface LabelOptions {
  /** Return at most this many labels; all of them when left out. */
  readonly topK?: number;
  /** Multi-label heads only: return labels of at least this probability. The head's own thresholds, else 0.5, when left out; 0 returns all. */
  readonly threshold?: number;
  /** Return only these labels. Probabilities still count all labels of the head. Empty: all. */
  readonly labels?: readonly string[];
}

export interface ClassificationRequest extends TextRequest, LabelOptions {}

export interface LabelScore {
  readonly label: string;
  /** 0 to 1. Softmax over all labels, at the head's temperature, or the label's own sigmoid for a multi-label head. */
  readonly probability: number;
  readonly logit: number;
}

export type ClassificationAnswer =
  /** The answer first, then by falling probability; equal ones in the head's order. */
  | { readonly kind: "single-label" | "multi-label"; readonly labels: readonly LabelScore[] }
  /** A regression head's number, in the units it was trained with. */
  | { readonly kind: "regression"; readonly value: number };

/**
 * Classifies one text or a pair.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG; precondition (HEAD_MISSING)
 */
export function planClassification(
  request: ClassificationRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<ClassificationAnswer> {
  const head = selectHead(model, ["classification"], request.head);
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  checkLabelOptions(checks, "", head, request);
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);
  const { inputIds, tokenTypeIds, truncated } = encodeRequest(request, model, maxTokens);
  return {
    head: head.name,
    sequences: [{ inputIds, tokenTypeIds, outputs: [head.name] }],
    tokens: inputIds.length,
    windows: 1,
    truncated,
    answer: (outputs) => labelAnswer(finiteOutput(outputs[0], head.name, "logits"), head, request),
  };
}

/** Refuses options that this head cannot honour. `prefix` comes before each field's name in the report. */
export function checkLabelOptions(
  checks: RequestChecks,
  prefix: string,
  head: ClassificationHead,
  options: LabelOptions,
): void {
  const { problemType, labels } = head;
  if (problemType === "regression") {
    const given = [
      ["top_k", options.topK],
      ["threshold", options.threshold],
      ["labels", options.labels?.length ? options.labels : undefined],
    ] as const;
    for (const [field, value] of given) {
      if (value !== undefined) checks.refuse(prefix + field, `head ${head.name} is a regression: it has no labels`);
    }
    return;
  }
  checks.integer(`${prefix}top_k`, options.topK, labels.length, 1);
  if (problemType === "multi-label") checks.number(`${prefix}threshold`, options.threshold, 0.5, 0, 1);
  else if (options.threshold !== undefined) {
    checks.refuse(
      `${prefix}threshold`,
      `head ${head.name} gives exactly one label: only multi-label heads take a threshold`,
    );
  }
  const asked = options.labels ?? [];
  if (asked.length > labels.length) {
    checks.refuse(`${prefix}labels`, `must hold at most ${labels.length} labels, as many as head ${head.name} has`);
    return;
  }
  asked.forEach((label, i) => {
    if (!labels.includes(label)) {
      checks.refuse(`${prefix}labels[${i}]`, `is not a label of head ${head.name}, which has ${labels.join(", ")}`);
    }
  });
}

/** Turns a head's logits [C] into its answer. */
export function labelAnswer(
  logits: Float32Array,
  head: ClassificationHead,
  options: LabelOptions = {},
): ClassificationAnswer {
  invariant(logits.length === head.labels.length, `head ${head.name} gave ${logits.length} logits`);
  if (head.problemType === "regression") return { kind: "regression", value: logits[0]! };
  const probabilities = labelProbabilities(logits, head);
  if (head.problemType === "single-label") {
    const first = answeredLabel(logits, head);
    return {
      kind: "single-label",
      labels: rankedLabels({ names: head.labels, probabilities, logits, first }, options),
    };
  }
  const least = (i: number) => options.threshold ?? thresholdOf(head, i);
  return { kind: "multi-label", labels: rankedLabels({ names: head.labels, probabilities, logits, least }, options) };
}

/** The label that a head of one label a text answers with: the most probable one, or of two that which reaches its threshold. */
export function answeredLabel(logits: Float32Array, head: ClassificationHead): number {
  if (head.thresholds === undefined) return argmax(logits);
  return labelProbabilities(logits, head)[1]! >= thresholdOf(head, 1) ? 1 : 0;
}

/** Probabilities of a head's labels: the softmax of the logits over the head's temperature, or a sigmoid each. */
export function labelProbabilities(logits: Float32Array, head: ClassificationHead): Float64Array {
  if (head.problemType === "multi-label") return Float64Array.from(logits, sigmoid);
  const { temperature } = head;
  return softmax(temperature === undefined ? logits : Float64Array.from(logits, (logit) => logit / temperature));
}

/** The probability from which a label is true, where any number may be, or the answer, where there are two. */
export function thresholdOf({ thresholds }: ClassificationHead, label: number): number {
  return thresholds?.[label] ?? 0.5;
}

/** The labels of at least their probability, and of these names where any are given: the answer first, then by falling logit. */
export function rankedLabels(
  scored: {
    readonly names: readonly string[];
    readonly probabilities: ArrayLike<number>;
    readonly logits: ArrayLike<number>;
    /** Of each by its place; 0 when left out. */
    readonly least?: (label: number) => number;
    /** Place of the label that is the answer; that of the largest logit when left out. */
    readonly first?: number;
  },
  { labels, topK }: Pick<LabelOptions, "labels" | "topK">,
): LabelScore[] {
  const { names, probabilities, logits, least = () => 0, first } = scored;
  const answer = first === undefined ? undefined : names[first];
  const allowed = labels?.length ? new Set(labels) : undefined;
  return names
    .map((label, i): LabelScore => ({ label, probability: probabilities[i]!, logit: logits[i]! }))
    .filter(({ label, probability }, i) => probability >= least(i) && (allowed?.has(label) ?? true))
    .sort((a, b) => Number(b.label === answer) - Number(a.label === answer) || b.logit - a.logit)
    .slice(0, topK);
}
