import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { markdownBlocks, plainBlocks } from "../../../src/search/documents/text-blocks.ts";
import { splitPassages } from "../../../src/search/passages/split-passages.ts";
import { wordTokenizer } from "../../support/models/toy-model.ts";

const words = wordTokenizer();

/** Passages as their own characters, where every word is one piece. */
function passagesOf(text: string, maxTokens: number, blocks = plainBlocks(text)): string[] {
  const ranges = splitPassages({ text, blocks }, words.tokenize(text).starts, { version: 1, maxTokens });
  return ranges.map(({ start, end }) => text.slice(start, end));
}

describe("passages", () => {
  it("join paragraphs while they fit", () => {
    expect(passagesOf("a b c\n\nd e\n\nf g h i", 6)).toEqual(["a b c\n\nd e", "f g h i"]);
  });

  it("begin with a heading once there is something in the one before", () => {
    const text = "# One\nfoo bar\n\n# Two\na b c d e\n\n## Three\nx";
    expect(passagesOf(text, 16, markdownBlocks(text))).toEqual(["# One\nfoo bar", "# Two\na b c d e", "## Three\nx"]);
    expect(passagesOf(text, 60, markdownBlocks(text))).toEqual([text]);
  });

  it("are cut between sentences, and say a short last one again", () => {
    const text = "One two three four five. Six. Seven eight nine ten eleven twelve.";
    expect(passagesOf(text, 8)).toEqual(["One two three four five. Six.", "Six. Seven eight nine ten eleven twelve."]);
  });

  it("take a line break for a space, and an item of a list for a sentence", () => {
    const text = "One two\nthree four. Five six.\n- seven eight nine\n- ten";
    expect(passagesOf(text, 4)).toEqual(["One two\nthree four.", "Five six.", "- seven eight nine", "- ten"]);
  });

  it("are cut between words where a sentence is too long, and anywhere in a word that is", () => {
    expect(passagesOf("a b c d e f g", 3)).toEqual(["a b c", "d e f", "g"]);
    const text = "abcdef";
    const starts = Int32Array.from([0, 1, 2, 3, 4, 5]);
    const ranges = splitPassages({ text, blocks: plainBlocks(text) }, starts, { version: 1, maxTokens: 4 });
    expect(ranges.map(({ start, end }) => text.slice(start, end))).toEqual(["abcd", "ef"]);
  });

  it("hold every character but white space, in order, and never more pieces than allowed", () => {
    const piece = fc.constantFrom("a", "be", "see.", "Dee!", "\n", "\n\n", " ", "\n- ", "# ", "```\n", "😀");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 80 }), fc.integer({ min: 1, max: 9 }), (pieces, maxTokens) => {
        const text = pieces.join(" ");
        const { starts } = words.tokenize(text);
        const ranges = splitPassages({ text, blocks: markdownBlocks(text) }, starts, { version: 1, maxTokens });
        const covered = new Uint8Array(text.length);
        for (const [i, { start, end }] of ranges.entries()) {
          expect(words.tokenize(text.slice(start, end)).ids.length).toBeLessThanOrEqual(maxTokens);
          expect(text.slice(start, end)).toBe(text.slice(start, end).trim());
          if (i > 0) expect(end).toBeGreaterThan(ranges[i - 1]!.end);
          covered.fill(1, start, end);
        }
        for (const [i, character] of [...text].entries()) {
          if (/\S/.test(character) && character.length === 1 && text[i] === character) expect(covered[i]).toBe(1);
        }
      }),
    );
  });
});
