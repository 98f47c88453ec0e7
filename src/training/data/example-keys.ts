import { createHash } from "node:crypto";
import type { Example } from "../../tasks/datasets/examples.ts";

// Short keys that tell whether two examples are alike. They are compared, never shown.

/** A short key of what an example asks, without its label or place: equal for equal questions. */
export function contentKey(example: Example): string {
  switch (example.kind) {
    case "classification":
      return shortHash(JSON.stringify([example.text, example.textPair ?? ""]));
    case "question":
      return shortHash(JSON.stringify([example.question, example.context]));
    case "choice":
      return shortHash(JSON.stringify([example.question, example.context, example.choices]));
    case "pair":
      return shortHash(JSON.stringify([example.anchor, example.positives, example.negatives]));
  }
}

/** A short key of an example's right answer. */
export function labelKey(example: Example): string {
  switch (example.kind) {
    case "classification":
      return shortHash(JSON.stringify(example.label ?? null));
    case "question":
      return shortHash(JSON.stringify(example.answers));
    case "choice":
      return String(example.answer);
    case "pair":
      return shortHash(JSON.stringify(example.score ?? null));
  }
}

/**
 * What must stay on one side of a split: a document with all of its questions, a text with all of its repetitions, or an anchor with
 * all of its partners.
 */
export function groupKey(example: Example): string {
  if (example.kind === "pair") return shortHash(example.anchor);
  return example.kind === "classification" ? contentKey(example) : shortHash(example.document);
}

/** 72 bits of sha256: enough that among a million examples no two meet by chance. */
function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("base64").slice(0, 12);
}
