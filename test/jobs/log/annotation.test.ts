import { describe, expect, it } from "vitest";
import type { AlbertError } from "../../../src/errors.ts";
import {
  type Annotation,
  type AnnotationChange,
  annotationEvent,
  NO_ANNOTATION,
} from "../../../src/jobs/log/annotation.ts";

const change = (fields: Partial<AnnotationChange>): AnnotationChange => ({ addTags: [], removeTags: [], ...fields });
const after = (before: Annotation, fields: Partial<AnnotationChange>, by?: string) =>
  annotationEvent(before, change(fields), by);

describe("a change of a job's note and tags", () => {
  it("leaves what it does not name, keeps each tag once, sorted, and counts", () => {
    const first = after(NO_ANNOTATION, { addTags: ["best", "a", "best"] }, "ann")!;
    expect(first).toEqual({
      kind: "annotated",
      summary: "tags by ann: a, best",
      detail: { note: "", tags: ["a", "best"], revision: 1, by: "ann" },
    });
    const second = after(first.detail as unknown as Annotation, { note: "two\nlines", removeTags: ["a", "no such"] })!;
    expect(second.detail).toEqual({ note: "two\nlines", tags: ["best"], revision: 2 });
    expect(second.summary).toBe("note: two");
  });

  it("is no event where nothing changes", () => {
    const before = { note: "n", tags: ["t"], revision: 3 };
    expect(after(before, { note: "n", addTags: ["t"], removeTags: ["u"], revision: 3 })).toBeUndefined();
  });

  it("is refused when somebody changed them since", () => {
    const before = { note: "theirs", tags: [], revision: 2 };
    expect(() => after(before, { note: "mine", revision: 1 })).toThrow(
      expect.objectContaining({ code: "conflict", reason: "NOTES_CHANGED", metadata: { expected: "1", current: "2" } }),
    );
  });

  it.each([
    ["a note that is too long", { note: "n".repeat(10_001) }, ["note"]],
    ["an empty tag", { addTags: [""] }, ["add_tags[0]"]],
    ["a tag with a comma", { addTags: ["fine", "a,b"] }, ["add_tags[1]"]],
    ["a tag with a line break", { addTags: ["a\nb"] }, ["add_tags[0]"]],
    ["a tag with a space at its end", { addTags: ["a "] }, ["add_tags[0]"]],
    ["a long tag", { addTags: ["t".repeat(65)] }, ["add_tags[0]"]],
    ["a tag both added and removed", { addTags: ["a"], removeTags: ["a"] }, ["add_tags[0]"]],
    ["too many tags", { addTags: Array.from({ length: 33 }, (_, i) => `t${i}`) }, ["add_tags"]],
  ])("refuses %s", (_, fields, wrong) => {
    try {
      after(NO_ANNOTATION, fields);
      expect.unreachable();
    } catch (error) {
      expect((error as AlbertError).violations.map(({ field }) => field)).toEqual(wrong);
    }
  });
});
