import { AlbertError, type FieldViolation, invalidInput } from "../../errors.ts";
import type { NewJobEvent } from "../job-event.ts";

// What people note about a job: a note and tags, which nothing acts on. They may change at any time, also of a job that has ended.

/** The note and the tags of a job, as its log tells them. */
export interface Annotation {
  /** Free text; empty for none. */
  readonly note: string;
  /** Sorted, each once. */
  readonly tags: readonly string[];
  /** How often they were changed; 0 for never. */
  readonly revision: number;
}

export const NO_ANNOTATION: Annotation = { note: "", tags: [], revision: 0 };

/** What is to change; what is absent stays. */
export interface AnnotationChange {
  readonly note?: string;
  readonly addTags: readonly string[];
  readonly removeTags: readonly string[];
  /** Of the annotation that the caller saw; absent where it does not matter what others changed meanwhile. */
  readonly revision?: number;
}

/** A note is kept for ever, with every earlier state of it. */
const LONGEST_NOTE = 10_000;
const LONGEST_TAG = 64;
const MOST_TAGS = 32;

/**
 * The event that a change is; undefined where nothing changes.
 *
 * @param by  who changes it, if that is known
 * @throws AlbertError invalid-input with every wrong field; conflict (NOTES_CHANGED) when others changed it since
 */
export function annotationEvent(
  before: Annotation,
  change: AnnotationChange,
  by: string | undefined,
): NewJobEvent | undefined {
  const { note = before.note, addTags, removeTags, revision } = change;
  const removed = new Set(removeTags);
  const tags = [...new Set([...before.tags.filter((tag) => !removed.has(tag)), ...addTags])].sort();
  check(change, tags);
  if (revision !== undefined && revision !== before.revision) {
    const message = `the note or the tags were changed since revision ${revision}: they are at revision ${before.revision}`;
    throw new AlbertError("conflict", message, {
      reason: "NOTES_CHANGED",
      metadata: { expected: String(revision), current: String(before.revision) },
    });
  }
  const same = note === before.note && tags.join("\n") === before.tags.join("\n");
  if (same) return undefined;
  const next: Annotation = { note, tags, revision: before.revision + 1 };
  const what = note === before.note ? "tags" : "note";
  const shown = what === "tags" ? tags.join(", ") : (note.split("\n", 1)[0] ?? "").slice(0, 200);
  const summary = `${what}${by === undefined ? "" : ` by ${by}`}: ${shown === "" ? "none" : shown}`;
  return { kind: "annotated", summary, detail: { ...next, ...(by === undefined ? {} : { by }) } };
}

function check({ note = "", addTags, removeTags }: AnnotationChange, tags: readonly string[]): void {
  const violations: FieldViolation[] = [];
  if (note.length > LONGEST_NOTE) {
    violations.push({
      field: "note",
      description: `must have at most ${LONGEST_NOTE} characters, got ${note.length}; keep longer texts elsewhere and note where`,
    });
  }
  addTags.forEach((tag, i) => {
    if (!isTag(tag)) {
      const description = `must be 1 to ${LONGEST_TAG} characters without a comma, a line break, or a space at its ends`;
      violations.push({ field: `add_tags[${i}]`, description });
    }
    if (removeTags.includes(tag)) {
      violations.push({
        field: `add_tags[${i}]`,
        description: "is among `remove_tags` too; give it in one of the two",
      });
    }
  });
  if (tags.length > MOST_TAGS) {
    violations.push({
      field: "add_tags",
      description: `would make ${tags.length} tags; a job has at most ${MOST_TAGS}`,
    });
  }
  if (violations.length > 0) throw invalidInput(violations);
}

function isTag(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a tag may not have
  return text.length <= LONGEST_TAG && text.trim() === text && /^[^,\u0000-\u001f\u007f]+$/.test(text);
}
