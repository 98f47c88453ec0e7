import { invalidInput } from "../../errors.ts";
import type { ChoiceExample, ClassificationExample, Example, QuestionExample, TaskName } from "../datasets/examples.ts";
import { headKindsOf } from "../datasets/examples.ts";
import { selectHead, type TaskModel } from "../plan.ts";
import { evaluateChoices } from "./evaluate-choices.ts";
import { evaluateClassification } from "./evaluate-classification.ts";
import { evaluateQuestions } from "./evaluate-questions.ts";
import { COSINE, comparesVectors, evaluateSimilarity } from "./evaluate-similarity.ts";
import type { DatasetEvaluation, EvaluationOptions } from "./prediction.ts";
import type { SequenceRunner } from "./run-sequences.ts";

// Runs a data set through an engine and computes predictions and metrics.

/**
 * Runs a dataset through an engine: the one way in which training, jobs and the command line predict and measure. Every
 * sequence goes through the serving graph. A sentence encoder answers STS-B by the cosine of its vectors.
 *
 * @throws AlbertError invalid-input for examples that do not fit the task; precondition (HEAD_MISSING)
 */
export async function evaluateDataset(
  engine: SequenceRunner,
  model: TaskModel,
  task: TaskName,
  examples: AsyncIterable<Example> | Iterable<Example>,
  options: EvaluationOptions = {},
): Promise<DatasetEvaluation> {
  const limited: TaskModel = {
    ...model,
    maxSequenceLength: Math.min(options.maxSequenceLength ?? model.maxSequenceLength, model.maxSequenceLength),
  };
  const shared = { engine, model: limited, task, options };
  const head = answeringHead(model, task, options.head);
  if (head === COSINE) {
    return evaluateSimilarity({ ...shared, examples: only<ClassificationExample>(examples, "classification") });
  }
  switch (head.kind) {
    case "classification":
      return evaluateClassification(
        { ...shared, examples: only<ClassificationExample>(examples, "classification") },
        head,
      );
    case "multiple-choice":
      return evaluateChoices({ ...shared, examples: only<ChoiceExample>(examples, "choice") }, head.name);
    case "span":
    case "span-answerability":
      return evaluateQuestions(
        { ...shared, examples: only<QuestionExample>(examples, "question") },
        { name: head.name, kind: head.kind },
      );
  }
}

/**
 * The head that answers a task: the named one or the only one that fits; the cosine of its vectors for a sentence encoder that has
 * no head for pairs.
 *
 * @throws AlbertError as `selectHead`
 */
export function answeringHead(model: TaskModel, task: TaskName, name: string | undefined) {
  return comparesVectors(model, task) ? COSINE : selectHead(model, headKindsOf(task), name);
}

/** The names under which an evaluation of a task reports the metric that selects its checkpoints. */
export function selectionMetricOf(task: TaskName): string {
  switch (task) {
    case "cola":
      return "matthew_corr";
    case "sts-b":
      return "pearson";
    case "squad-v1":
    case "squad-v2":
    case "qa":
      return "f1";
    default:
      return "eval_accuracy";
  }
}

async function* only<E extends Example>(
  examples: AsyncIterable<Example> | Iterable<Example>,
  kind: E["kind"],
): AsyncGenerator<E> {
  for await (const example of examples) {
    if (example.kind !== kind) {
      throw invalidInput([{ field: "examples", description: `expected ${kind} examples, got ${example.kind}` }]);
    }
    yield example as E; // the kind was just compared
  }
}
