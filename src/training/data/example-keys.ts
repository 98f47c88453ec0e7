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
  }
}

/** What must stay on one side of a split: a document with all of its questions, or a text with all of its repetitions. */
export function groupKey(example: Example): string {
  return example.kind === "classification" ? contentKey(example) : shortHash(example.document);
}

/** 72 bits of sha256: enough that among a million examples no two meet by chance. */
function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("base64").slice(0, 12);
}
