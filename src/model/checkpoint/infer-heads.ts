import { AlbertError, invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import { classesOf, familyNamed } from "../families/families.ts";
import type { ModelFamily } from "../families/family.ts";
import { type ClassificationHead, HEAD_KINDS, HEADS, type Head, type HeadKind, type ProblemType } from "../heads.ts";
import { headParameters } from "../parameters.ts";
import { detectNaming } from "./checkpoint-naming.ts";
import type { CheckpointReader } from "./checkpoint-reader.ts";
import { labelsOfConfig } from "./head-labels.ts";

// Finds out which heads a foreign checkpoint has, from hints, its `config.json` or its tensors.

/** What a person may say about a foreign checkpoint's heads. */
export const HEAD_CHOICES: readonly HeadChoice[] = HEAD_KINDS.flatMap((kind) =>
  kind === "classification" ? ([kind, "multi-label", "regression"] as const) : [kind],
);

export type HeadChoice = HeadKind | Exclude<ProblemType, "single-label">;

export interface HeadHints {
  /** Exactly these heads; an empty list means the trunk alone. Absent: whatever the checkpoint says and holds. */
  readonly choices?: readonly HeadChoice[];
  /** Label names of the classification head, in logit order. */
  readonly labels?: readonly string[];
}

/**
 * Finds the heads of a checkpoint that has no manifest: from the hints, else from the architecture in a Hugging Face
 * `config.json`, else from the tensors that are there.
 *
 * @param json  the configuration file as read; its `id2label` and `problem_type` name what a classification means
 * @throws AlbertError invalid-input when one output row could be a regression or a multiple choice and nothing tells
 */
export function inferHeads(
  reader: CheckpointReader,
  config: AlbertConfig,
  json: Readonly<Record<string, unknown>>,
  hints: HeadHints = {},
): Head[] {
  const family = familyNamed(config.family);
  const naming = detectNaming(reader, family);
  const rowsOf = (head: Head): number | undefined => {
    const [first] = headParameters(config, head);
    return reader.entries.get(naming.fileName(first!, [head]))?.shape[0];
  };
  const oneLabel: Head = { kind: "classification", name: "", problemType: "regression", labels: [""] };
  const outputRows = rowsOf(oneLabel) ?? rowsOf({ kind: "multiple-choice", name: "" });
  const choices = hints.choices ?? choicesOfArchitecture(json, family) ?? choicesOfTensors(rowsOf, outputRows);
  const heads = choices.map((choice): Head => {
    switch (choice) {
      case "classification":
      case "multi-label":
      case "regression":
        return classification(choice, outputRows, json, hints.labels);
      case "masked-lm": {
        const { tie_word_embeddings: tied } = json;
        const own = tied === false && naming.decoder !== undefined && reader.entries.has(naming.decoder);
        return { kind: choice, name: choice, ...(own ? { untied: true } : {}) };
      }
      default:
        return { kind: choice, name: choice };
    }
  });
  const twice = heads.find((head, i) => heads.findIndex((other) => other.kind === head.kind) !== i);
  if (twice !== undefined) throw invalidInput([{ field: "head", description: `${twice.kind} is given twice` }]);
  if (hints.labels !== undefined && !heads.some((head) => head.kind === "classification")) {
    throw invalidInput([
      { field: "labels", description: "labels were given, but the model has no classification head" },
    ]);
  }
  family.checkHeads?.(config, json, heads);
  return heads;
}

/** Heads of the class of Hugging Face's library that the configuration names. */
function choicesOfArchitecture(
  json: Readonly<Record<string, unknown>>,
  family: ModelFamily,
): readonly HeadKind[] | undefined {
  const { architectures } = json;
  if (!Array.isArray(architectures) || architectures.length === 0) return undefined;
  const classes = classesOf(family);
  const name: unknown = architectures[0];
  if (typeof name !== "string" || !Object.hasOwn(classes, name)) {
    throw new AlbertError(
      "unimplemented",
      `architecture ${JSON.stringify(name)} is not one of ${Object.keys(classes).join(", ")}; ` +
        "say which heads to read with --head, or --head none for the trunk alone",
      { reason: "ARCHITECTURE_UNKNOWN" },
    );
  }
  return classes[name];
}

function choicesOfTensors(rowsOf: (head: Head) => number | undefined, outputRows: number | undefined): HeadChoice[] {
  const present: HeadChoice[] = HEAD_KINDS.filter(
    (kind) => kind !== "classification" && HEADS[kind].variables === "own" && rowsOf({ kind, name: "" }) !== undefined,
  );
  if (outputRows === 1) {
    throw invalidInput([
      {
        field: "head",
        description:
          "the checkpoint's output_weights have one row, which is a regression or a multiple choice; " +
          "say which with --head regression or --head multiple-choice",
      },
    ]);
  }
  return outputRows === undefined ? present : ["classification", ...present];
}

function classification(
  choice: "classification" | "multi-label" | "regression",
  rows: number | undefined,
  json: Readonly<Record<string, unknown>>,
  givenLabels: readonly string[] | undefined,
): ClassificationHead {
  const labels = givenLabels ?? labelsOfConfig(json, rows);
  const problemType = choice === "classification" ? problemTypeOf(json, rows ?? labels.length) : choice;
  const head: ClassificationHead = {
    kind: "classification",
    name: "classification",
    problemType: problemType === "multi-label" || problemType === "regression" ? problemType : "single-label",
    labels,
  };
  const violation = checkClassification(head, rows);
  if (violation !== undefined) throw invalidInput([{ field: "labels", description: violation }]);
  return head;
}

/** Why a classification head cannot be, or undefined. `rows` is the number of logits a checkpoint holds, if it is known. */
export function checkClassification(head: ClassificationHead, rows?: number): string | undefined {
  const { labels, problemType, temperature, thresholds } = head;
  if (rows !== undefined && labels.length !== rows) return `${labels.length} labels for ${rows} output rows`;
  if (new Set(labels).size !== labels.length) return "a label is given twice";
  if (labels.some((label) => label === "")) return "a label is empty";
  if (problemType === "regression" && labels.length !== 1) return `a regression has 1 output, not ${labels.length}`;
  if (problemType === "single-label" && labels.length < 2) {
    return "a classification has at least 2 labels; one output is a regression (--head regression)";
  }
  if (temperature !== undefined && (problemType !== "single-label" || !(temperature > 0 && temperature < 1e6))) {
    return `temperature ${temperature}: expected a positive number, and one label a text`;
  }
  if (thresholds !== undefined) {
    const [first = 0, second = 0] = thresholds;
    const complements = labels.length === 2 && Math.abs(first + second - 1) < 1e-9;
    const fits = problemType === "multi-label" || (problemType === "single-label" && complements);
    const probabilities = thresholds.every((threshold) => threshold >= 0 && threshold <= 1);
    if (!fits || !probabilities || thresholds.length !== labels.length) {
      return `thresholds ${thresholds.join(", ")}: expected a probability for each of ${labels.length} labels of which any number is true, or two that add up to 1 for two labels of which one is`;
    }
  }
  return labels.length === 0 ? "no label" : undefined;
}

const PROBLEM_TYPES: Readonly<Record<string, ProblemType>> = {
  single_label_classification: "single-label",
  multi_label_classification: "multi-label",
  regression: "regression",
};

function problemTypeOf(json: Readonly<Record<string, unknown>>, rows: number): ProblemType {
  const { problem_type: given } = json;
  if (typeof given === "string" && Object.hasOwn(PROBLEM_TYPES, given)) return PROBLEM_TYPES[given]!;
  return rows === 1 ? "regression" : "single-label";
}
