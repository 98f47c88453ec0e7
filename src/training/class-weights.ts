import { invalidInput } from "../errors.ts";
import type { Answerer } from "../model/heads.ts";
import type { Example } from "../tasks/datasets/examples.ts";

// Weights of labels in the loss, as they are asked for: "balanced", or a weight for each label that does not weigh 1.

/** The value that asks for weights in inverse proportion to how often a label occurs. */
const BALANCED = "balanced";

/**
 * The weight of each label in the order of the head's labels; undefined where none are asked for. `balanced` gives label c
 * n / (k * n_c) for n examples of k labels, which leaves the mean weight of an example at 1; a label without examples weighs 1.
 *
 * @param given     `balanced`, or items such as `spam=5`
 * @param examples  those that are trained on
 * @throws AlbertError invalid-input naming the item, or the labels that there are
 */
export async function classWeights(
  given: readonly string[],
  head: Answerer,
  examples: () => AsyncIterable<Example>,
): Promise<readonly number[] | undefined> {
  if (given.length === 0) return undefined;
  if (head.kind !== "classification" || head.problemType !== "single-label") {
    throw refused("weighs the labels of a classification with one label a text; leave it out here");
  }
  if (given.length === 1 && given[0] === BALANCED) return balanced(head.labels, examples);
  const weights = new Map(head.labels.map((label) => [label, 1]));
  for (const item of given) {
    const at = item.lastIndexOf("=");
    const [label, weight] = [item.slice(0, at), Number(item.slice(at + 1))];
    if (at < 1 || item.slice(at + 1).trim() === "" || !(weight > 0 && weight <= LARGEST)) {
      throw refused(
        `expected ${BALANCED}, or label=weight with a weight above 0 and up to ${LARGEST}; got ${JSON.stringify(item)}`,
      );
    }
    if (!weights.has(label)) {
      throw refused(`${JSON.stringify(label)} is none of the labels ${head.labels.join(", ")}`);
    }
    weights.set(label, weight);
  }
  return [...weights.values()];
}

/** Beyond this a weight is rather a mistake than a choice. */
const LARGEST = 1000;

async function balanced(labels: readonly string[], examples: () => AsyncIterable<Example>): Promise<readonly number[]> {
  const counts = new Map(labels.map((label) => [label, 0]));
  let total = 0;
  for await (const example of examples()) {
    if (example.kind !== "classification" || typeof example.label !== "string") continue;
    counts.set(example.label, (counts.get(example.label) ?? 0) + 1);
    total++;
  }
  return labels.map((label) => {
    const count = counts.get(label) ?? 0;
    return count === 0 ? 1 : total / (labels.length * count);
  });
}

function refused(description: string) {
  return invalidInput([{ field: "class_weights", description }]);
}
