import { invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { encodeTexts } from "../features/sequence.ts";
import { finiteOutput } from "../outputs.ts";
import {
  inputTooLong,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  type TruncationPolicy,
  UNLIMITED,
} from "../plan.ts";
import { sigmoid, softmax } from "../probabilities.ts";
import { RequestChecks } from "../request-checks.ts";

/** Labels of a sentence-order head, in logit order: 1 means that the two segments were swapped. */
export const SENTENCE_ORDER_LABELS = ["in_order", "swapped"] as const;

/** How to turn a classification head's logits into an answer. */
export interface LabelOptions {
  /** Return at most this many labels; all of them when left out. */
  readonly topK?: number;
  /** Multi-label heads only: return labels of at least this probability. 0.5 when left out; 0 returns all. */
  readonly threshold?: number;
  /** Return only these labels. Probabilities still count all labels of the head. */
  readonly labels?: readonly string[];
}

export interface ClassificationRequest extends LabelOptions {
  readonly text: string;
  /** Second text, for heads that compare two. An empty one is the same as none. */
  readonly textPair?: string;
  /** Head name; may be left out when the model has one classification (or sentence-order) head. */
  readonly head?: string;
  /** What to do with too long a text; "truncate" when left out. */
  readonly truncation?: TruncationPolicy;
}

export interface LabelScore {
  readonly label: string;
  /** 0 to 1. Softmax over all labels, or the label's own sigmoid for a multi-label head. */
  readonly probability: number;
  readonly logit: number;
}

export type ClassificationAnswer =
  /** Most probable label first; equal ones in the head's order. */
  | { readonly kind: "labels"; readonly labels: readonly LabelScore[] }
  /** A regression head's number, in the units it was trained with. */
  | { readonly kind: "value"; readonly value: number };

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
  const selected = selectHead(model, ["classification", "sentence-order"], request.head);
  const head = asClassification(selected);
  const checks = new RequestChecks(limits);
  checks.text("text", request.text);
  if (request.textPair !== undefined) checks.optionalText("text_pair", request.textPair);
  if (selected.kind === "sentence-order" && (request.textPair ?? "") === "") {
    checks.refuse("text_pair", "a sentence-order head compares two texts");
  }
  checkLabelOptions(checks, "", head, request);
  refuseIfAny(checks.violations);

  const { tokenizer, maxSequenceLength } = model;
  const text = tokenizer.tokenize(request.text);
  const textPair = request.textPair === undefined ? undefined : tokenizer.tokenize(request.textPair);
  const encoded = encodeTexts(tokenizer, text, textPair, maxSequenceLength);
  if (encoded.truncated && request.truncation === "error") {
    const pieces = text.ids.length + (textPair?.ids.length ?? 0) + (textPair?.ids.length ? 3 : 2);
    throw inputTooLong(pieces, maxSequenceLength, "allow truncation");
  }
  return {
    head: head.name,
    sequences: [{ inputIds: encoded.inputIds, tokenTypeIds: encoded.tokenTypeIds, outputs: [head.name] }],
    tokens: encoded.inputIds.length,
    windows: 1,
    truncated: encoded.truncated,
    answer: (outputs) => labelAnswer(finiteOutput(outputs[0], head.name, "logits"), head, request),
  };
}

/** A classification head as it is; a sentence-order head seen as one with two labels. */
export function asClassification(
  head: ReturnType<typeof selectHead<"classification" | "sentence-order">>,
): ClassificationHead {
  return head.kind === "classification"
    ? head
    : { name: head.name, kind: "classification", problemType: "single-label", labels: SENTENCE_ORDER_LABELS };
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
    for (const field of ["topK", "threshold", "labels"] as const) {
      const absent = field === "labels" ? !options.labels?.length : options[field] === undefined;
      if (!absent) {
        checks.refuse(
          `${prefix}${field === "topK" ? "top_k" : field}`,
          `head ${head.name} is a regression: it has no labels`,
        );
      }
    }
    return;
  }
  checks.integer(`${prefix}top_k`, options.topK, labels.length, 1, labels.length);
  if (problemType === "multi-label") checks.number(`${prefix}threshold`, options.threshold, 0.5, 0, 1);
  else if (options.threshold !== undefined) {
    checks.refuse(
      `${prefix}threshold`,
      `head ${head.name} gives exactly one label: only multi-label heads take a threshold`,
    );
  }
  options.labels?.forEach((label, i) => {
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
  invariant(logits.length === Math.max(1, head.labels.length), `head ${head.name} gave ${logits.length} logits`);
  if (head.problemType === "regression") return { kind: "value", value: logits[0]! };
  const probabilities = head.problemType === "multi-label" ? Float64Array.from(logits, sigmoid) : softmax(logits);
  const threshold = head.problemType === "multi-label" ? (options.threshold ?? 0.5) : 0;
  const allowed = options.labels?.length ? new Set(options.labels) : undefined;
  const labels = head.labels
    .map((label, i): LabelScore => ({ label, probability: probabilities[i]!, logit: logits[i]! }))
    .filter(({ label, probability }) => probability >= threshold && (allowed?.has(label) ?? true))
    .sort((a, b) => b.probability - a.probability || b.logit - a.logit)
    .slice(0, options.topK);
  return { kind: "labels", labels };
}
