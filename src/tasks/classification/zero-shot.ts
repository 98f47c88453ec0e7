import { AlbertError, invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { joinSegments } from "../features/sequence.ts";
import { finiteOutput } from "../outputs.ts";
import {
  inputTooLong,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  UNLIMITED,
} from "../plan.ts";
import { sigmoid, softmax } from "../probabilities.ts";
import { RequestChecks } from "../request-checks.ts";
import { checkTexts } from "../text-request.ts";
import { type ClassificationAnswer, type ClassificationRequest, rankedLabels } from "./classification.ts";
import { type EntailmentLabels, entailmentLabels, infersEntailment } from "./entailment.ts";

// Zero-shot classification: labels that a request brings along, each judged by a head of natural-language inference as a
// hypothesis about the text (Yin, Hay and Roth 2019, arXiv:1909.00161). Scores are those of transformers' pipeline of that
// name (`pipelines/zero_shot_classification.py`), except that contradiction is found by its name. It runs no model.

/** Most labels of one request, as `MAX_CHOICES` of a question: so many sequences are one piece of work. */
const MAX_LABELS = 64;
/** Longest hypothesis in UTF-16 units: it is one sentence, and all of them are tokenized in one go. */
const LONGEST_HYPOTHESIS = 256;

const DEFAULT_TEMPLATE = "This text is about {label}.";
const PLACE = "{label}";

/** What only requests with labels of their own may say. */
export interface ZeroShotOptions {
  /** The labels, 1 to 64, each once. */
  readonly candidateLabels?: readonly string[];
  /** The hypothesis about a label, with `{label}` in its place; "This text is about {label}." when left out. */
  readonly hypothesisTemplate?: string;
  /** Score each label by itself, for any number of them may be true; always so for a single label. */
  readonly multiLabel?: boolean;
}

/** `threshold` is 0 when left out, and for labels that are scored by themselves only; `labels`, the head's own, must be empty. */
export interface ZeroShotRequest extends ClassificationRequest, ZeroShotOptions {
  readonly candidateLabels: readonly string[];
}

/**
 * Scores each of the request's labels: one sequence each, of the text and the hypothesis that the label makes. A text that is
 * too long is cut; a hypothesis never is.
 *
 * Exactly one label is true: the softmax of the entailment logits over all labels. Several may be: for each the softmax of
 * entailment against contradiction, the neutral label left out; its `logit` is their difference.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG; precondition (HEAD_MISSING, ENTAILMENT_MISSING)
 */
export function planZeroShot(
  request: ZeroShotRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<ClassificationAnswer> {
  const head = selectEntailmentHead(model, request.head);
  const { candidateLabels } = request;
  const alone = request.multiLabel === true || candidateLabels.length === 1;
  const read = logitReader(head, alone);
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  checkCandidates(checks, request, alone);
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);

  const { tokenizer } = model;
  const text = tokenizer.tokenize(request.text).ids;
  const hypotheses = candidateLabels.map((label) => tokenizer.tokenize(hypothesisOf(label, request)).ids);
  hypotheses.forEach(({ length }, i) => {
    if (length === 0)
      checks.refuse(`candidate_labels[${i}]`, "makes a hypothesis without a character that the tokenizer keeps");
    else if (length + 4 > maxTokens) {
      const description = `makes a hypothesis of ${length} tokens, which leaves no room for the text in ${maxTokens}: shorten it`;
      checks.refuse(`candidate_labels[${i}]`, description);
    }
  });
  refuseIfAny(checks.violations);
  const longest = Math.max(...hypotheses.map(({ length }) => length));
  const truncated = text.length + longest + 3 > maxTokens;
  if (truncated && request.truncation === "error") {
    throw inputTooLong(text.length + longest + 3, maxTokens, "allow truncation");
  }
  const sequences = hypotheses.map((hypothesis) => ({
    ...joinSegments(tokenizer, text.subarray(0, maxTokens - 3 - hypothesis.length), hypothesis),
    outputs: [head.name],
  }));
  return {
    head: head.name,
    sequences,
    tokens: sequences.reduce((total, { inputIds }) => total + inputIds.length, 0),
    windows: 1,
    truncated,
    answer: (outputs) => {
      const logits = candidateLabels.map((_, i) => read(finiteOutput(outputs[i], head.name, "logits")));
      return candidateAnswer(logits, request, alone);
    },
  };
}

/** The hypothesis that a label makes. */
function hypothesisOf(label: string, { hypothesisTemplate }: ZeroShotOptions): string {
  return (hypothesisTemplate ?? DEFAULT_TEMPLATE).replaceAll(PLACE, () => label);
}

/**
 * The head that judges hypotheses: the named one, or the only one that can.
 *
 * @throws AlbertError as `selectHead`; precondition (ENTAILMENT_MISSING) where no label says that a hypothesis follows
 */
function selectEntailmentHead(model: TaskModel, name: string | undefined): ClassificationHead {
  const able = { ...model, heads: model.heads.filter(infersEntailment) };
  if (able.heads.length > 0 && !name) return selectHead(able, ["classification"], undefined);
  const candidates = model.heads.filter(({ kind }) => kind === "classification");
  const head = candidates.length > 1 && !name ? candidates[0] : selectHead(model, ["classification"], name);
  invariant(head?.kind === "classification", "a head of kind classification was selected");
  if (infersEntailment(head)) return head;
  throw entailmentMissing(head, "no label that begins with entail", able.heads);
}

/** How a sequence's logits become the one number that speaks for its label. */
function logitReader(head: ClassificationHead, alone: boolean): (logits: Float32Array) => number {
  const labels: EntailmentLabels | undefined = entailmentLabels(head);
  invariant(labels !== undefined, `head ${head.name} has an entailment label`);
  const { entailment, contradiction } = labels;
  if (!alone) return (logits) => logits[entailment]!;
  if (contradiction === undefined) {
    throw entailmentMissing(
      head,
      "no label named contradiction or not_entailment, against which single labels are scored",
    );
  }
  return (logits) => logits[entailment]! - logits[contradiction]!;
}

function checkCandidates(checks: RequestChecks, request: ZeroShotRequest, alone: boolean): void {
  const { candidateLabels, hypothesisTemplate } = request;
  const count = candidateLabels.length;
  if (request.textPair !== undefined) {
    checks.refuse(
      "text_pair",
      "must be absent where candidate_labels are given: each label is the second text in turn",
    );
  }
  if (request.labels?.length) checks.refuse("labels", "are the head's own: leave them out, or candidate_labels");
  checks.integer("top_k", request.topK, count, 1);
  if (alone) checks.number("threshold", request.threshold, 0, 0, 1);
  else if (request.threshold !== undefined) {
    checks.refuse("threshold", "applies to labels that are scored by themselves: set multi_label, or leave it out");
  }
  const rightTemplate = hypothesisTemplate === undefined || hypothesisTemplate.includes(PLACE);
  if (hypothesisTemplate !== undefined) {
    if (!rightTemplate) checks.refuse("hypothesis_template", `must hold ${PLACE}, in whose place each label goes`);
    checks.optionalText("hypothesis_template", hypothesisTemplate);
  }
  if (count > MAX_LABELS) {
    checks.refuse("candidate_labels", `must hold at most ${MAX_LABELS} labels, got ${count}: ask for them in parts`);
    return;
  }
  const first = new Map<string, number>();
  candidateLabels.forEach((label, i) => {
    const field = `candidate_labels[${i}]`;
    checks.text(field, label);
    const earlier = first.get(label);
    if (earlier !== undefined) checks.refuse(field, `is the same as candidate_labels[${earlier}]`);
    first.set(label, earlier ?? i);
    const { length } = hypothesisOf(label, request);
    if (rightTemplate && length > LONGEST_HYPOTHESIS) {
      const description = `makes a hypothesis of ${length} characters; at most ${LONGEST_HYPOTHESIS}: shorten it or the template`;
      checks.refuse(field, description);
    }
  });
}

/** Turns one number for each label into their probabilities. */
function candidateAnswer(
  logits: readonly number[],
  { candidateLabels, topK, threshold = 0 }: ZeroShotRequest,
  alone: boolean,
): ClassificationAnswer {
  const probabilities = alone ? Float64Array.from(logits, sigmoid) : softmax(logits);
  const least = () => threshold;
  const options = topK === undefined ? {} : { topK };
  const labels = rankedLabels({ names: candidateLabels, probabilities, logits, least }, options);
  return { kind: alone ? "multi-label" : "single-label", labels };
}

function entailmentMissing(
  { name, labels }: ClassificationHead,
  missing: string,
  able: readonly { readonly name: string }[] = [],
): AlbertError {
  const others = able.map((head) => head.name).join(", ");
  const instead =
    others === ""
      ? "ask a model of natural-language inference, or, where this is one, name its labels in the order of its logits with albert import --labels"
      : `ask head ${others}`;
  return new AlbertError(
    "precondition",
    `labels of the request's own need a head of natural-language inference; head ${name}, with the labels ${labels.slice(0, 10).join(", ")}, has ${missing}: ${instead}`,
    {
      reason: "ENTAILMENT_MISSING",
      metadata: { head: name, labels: labels.slice(0, 10).join(","), available: others },
    },
  );
}
