import { describe, expect, it } from "vitest";
import type { Block } from "../../../src/search/documents/document.ts";
import { markdownBlocks, plainBlocks } from "../../../src/search/documents/text-blocks.ts";

/** Blocks as their own characters; headings begin with "H:". */
const shown = (text: string, blocks: readonly Block[]) =>
  blocks.map(({ start, end, heading }) => `${heading ? "H:" : ""}${text.slice(start, end)}`);

describe("blocks of plain text", () => {
  it("are what empty lines separate, without white space at either end", () => {
    const text = "\n  One\nline.  \r\n \t\r\nTwo.\n\n\n\n # Three";
    expect(shown(text, plainBlocks(text))).toEqual(["One\nline.", "Two.", "# Three"]);
  });

  it("are none in a text of white space", () => {
    expect(plainBlocks(" \n\t\n")).toEqual([]);
    expect(plainBlocks("")).toEqual([]);
  });
});

describe("blocks of Markdown", () => {
  it("tell headings of both kinds from paragraphs", () => {
    const text = "# A\ntext\n## B\nTitle\n===\nmore\n\nSub\n---\n#none\n";
    expect(shown(text, markdownBlocks(text))).toEqual([
      "H:# A",
      "text",
      "H:## B",
      "H:Title\n===",
      "more",
      "H:Sub\n---",
      "#none",
    ]);
  });

  it("keep fenced code whole, whatever is in it", () => {
    const text = "before\n```sh\n# no heading\n\n~~~\nls\n````\nafter\n\n~~~\nnever closed\n\n# still code";
    expect(shown(text, markdownBlocks(text))).toEqual([
      "before",
      "```sh\n# no heading\n\n~~~\nls\n````",
      "after",
      "~~~\nnever closed\n\n# still code",
    ]);
  });

  it("keep a table together, and do not take its rule for the underline of a heading", () => {
    const text = "| a | b |\n|---|---|\n| 1 | 2 |";
    expect(shown(text, markdownBlocks(text))).toEqual([text]);
  });
});
