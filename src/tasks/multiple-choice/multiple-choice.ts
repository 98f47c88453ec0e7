import { finiteOutput } from "../outputs.ts";
import {
  inputTooLong,
  type RunOptions,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  UNLIMITED,
} from "../plan.ts";
import { softmax } from "../probabilities.ts";
import { RequestChecks } from "../request-checks.ts";
import { defaultQaLength, encodeChoice, questionWithChoice } from "./choice-sequence.ts";

// Multiple choice: from a request to a plan, from logits to scores. It runs no model.

/** Fewest and most choices of one question. */
const MIN_CHOICES = 2;
const MAX_CHOICES = 64;

export interface MultipleChoiceRequest extends RunOptions {
  /** Every "_" in it is where the choice goes; without one, the choice follows it. */
  readonly question: string;
  /** The text the question is about; may be left out. */
  readonly context?: string;
  /** 2 to 64. */
  readonly choices: readonly string[];
}

export interface ChoiceScore {
  /** Index into the request's choices. */
  readonly index: number;
  /** Softmax over the choices of this question. */
  readonly probability: number;
  readonly logit: number;
  /** Whether the model did not see all of the context, question and choice. */
  readonly truncated: boolean;
}

export interface MultipleChoiceAnswer {
  /** Index of the most probable choice; of equal ones the first. */
  readonly best: number;
  /** In the order of the request. */
  readonly choices: readonly ChoiceScore[];
}

/**
 * Chooses among answers to a question: one sequence for each choice, formatted and cut as the official RACE script does.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG; precondition (HEAD_MISSING)
 */
export function planMultipleChoice(
  request: MultipleChoiceRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<MultipleChoiceAnswer> {
  const head = selectHead(model, ["multiple-choice"], request.head);
  const checks = new RequestChecks(limits);
  checks.text("question", request.question);
  if (request.context !== undefined) checks.optionalText("context", request.context);
  const count = request.choices.length;
  if (count < MIN_CHOICES || count > MAX_CHOICES) {
    checks.refuse("choices", `must hold ${MIN_CHOICES} to ${MAX_CHOICES} choices, got ${count}`);
  }
  request.choices.slice(0, MAX_CHOICES).forEach((choice, i) => {
    checks.text(`choices[${i}]`, choice);
  });
  const maxSequenceLength = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);

  const { tokenizer } = model;
  const context = tokenizer.tokenize(request.context ?? "");
  const lengths = { maxSequenceLength, maxQaLength: defaultQaLength(maxSequenceLength) };
  const encoded = request.choices.map((choice) => {
    const second = tokenizer.tokenize(questionWithChoice(tokenizer, request.question, choice));
    const sequence = encodeChoice(tokenizer, context, second, lengths);
    if (sequence.truncated && request.truncation === "error") {
      throw inputTooLong(context.ids.length + second.ids.length + 3, maxSequenceLength, "allow truncation");
    }
    return sequence;
  });
  return {
    head: head.name,
    sequences: encoded.map(({ inputIds, tokenTypeIds }) => ({ inputIds, tokenTypeIds, outputs: [head.name] })),
    tokens: encoded.reduce((total, { inputIds }) => total + inputIds.length, 0),
    windows: 1,
    truncated: encoded.some(({ truncated }) => truncated),
    answer: (outputs) => {
      const logits = Float32Array.from(encoded, (_, i) => finiteOutput(outputs[i], head.name, "logits")[0]!);
      return choiceAnswer(logits, encoded);
    },
  };
}

/** Softmax over the choices' logits. */
function choiceAnswer(
  logits: Float32Array,
  sequences: readonly { readonly truncated: boolean }[],
): MultipleChoiceAnswer {
  const probabilities = softmax(logits);
  return {
    best: logits.indexOf(logits.reduce((best, logit) => Math.max(best, logit), Number.NEGATIVE_INFINITY)),
    choices: Array.from(logits, (logit, index) => ({
      index,
      probability: probabilities[index]!,
      logit,
      truncated: sequences[index]!.truncated,
    })),
  };
}
