import { AlbertError, invalidInput } from "../../errors.ts";
import type { VectorOutput } from "../../model/heads.ts";
import type {
  ChoiceExample,
  ClassificationExample,
  Example,
  PairExample,
  QuestionExample,
  TaskName,
} from "../datasets/examples.ts";
import { headKindsOf } from "../datasets/examples.ts";
import { selectHead, type TaskModel } from "../plan.ts";
import { evaluateChoices } from "./evaluate-choices.ts";
import { evaluateClassification } from "./evaluate-classification.ts";
import { evaluateQuestions } from "./evaluate-questions.ts";
import { evaluateRetrieval } from "./evaluate-retrieval.ts";
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
    case "vectors":
      return evaluateRetrieval({ ...shared, examples: only<PairExample>(examples, "pair") });
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
 * What answers a task: the named head or the only one that fits; the cosine of its vectors for a sentence encoder that has no head
 * for pairs; the vectors themselves where texts are to find each other.
 *
 * @throws AlbertError as `selectHead`
 */
export function answeringHead(model: TaskModel, task: TaskName, name: string | undefined) {
  if (task === "contrastive") return vectorsOf(model, name);
  return comparesVectors(model, task) ? COSINE : selectHead(model, headKindsOf(task), name);
}

/** @throws AlbertError precondition (HEAD_MISSING) for a model that was not made for vectors */
function vectorsOf({ encoding }: TaskModel, name: string | undefined): VectorOutput {
  if (name) throw invalidInput([{ field: "head", description: "must be empty: vectors come from the trunk" }]);
  if (encoding !== undefined) return VECTORS;
  const message =
    "the model is no sentence encoder: its directory does not say how a text becomes one vector; train one with --task contrastive, or import a sentence-transformers folder";
  throw new AlbertError("precondition", message, { reason: "HEAD_MISSING", metadata: { wanted: "vectors" } });
}

const VECTORS: VectorOutput = { kind: "vectors", name: "vectors" };

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
    case "contrastive":
      return "mrr";
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
