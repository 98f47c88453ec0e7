import type { ClassificationAnswer } from "../../tasks/classification/classification.ts";
import type { Answered, AnswerRequest } from "../answer.ts";
import type { LoadedVersion } from "../models/loaded-version.ts";
import type { SampledAnswer } from "./answer-sample.ts";

/**
 * An answer as people can judge it: one label of a text, out of the labels that a model was taught. Undefined for all others: values,
 * several labels at once, labels that the caller brought.
 */
export function judgeable(
  request: Pick<AnswerRequest, "task" | "input">,
  { answer, meta }: Answered<AnswerRequest["task"]>,
  { task }: Pick<LoadedVersion, "task">,
): SampledAnswer | undefined {
  if (request.task !== "classify") return undefined;
  const { text, textPair, candidateLabels, labels: asked } = request.input as AnswerRequest<"classify">["input"];
  const { kind, ...rest } = answer as ClassificationAnswer;
  if (kind !== "single-label" || candidateLabels?.length || asked?.length || !("labels" in rest)) return undefined;
  const head = task.heads.find(({ name }) => name === meta.head);
  const [first, second] = rest.labels;
  if (first === undefined || head?.kind !== "classification") return undefined;
  const { label, probability } = first;
  return {
    ...{ model: meta.model, version: meta.version, head: head.name, text },
    ...(textPair === undefined ? {} : { textPair }),
    ...{ label, probability, labels: head.labels },
    // Where the caller wanted one label only, the second has at most what the first leaves.
    margin: Math.max(0, probability - (second?.probability ?? 1 - probability)),
  };
}
