import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { htmlText } from "../../../src/search/documents/html-text.ts";
import { sourceRange } from "../../../src/search/documents/source-runs.ts";

/** What stands in the markup where a piece of the text came from. */
function sourceOf(html: string, piece: string): string {
  const { text, sourceRuns } = htmlText(html);
  const start = text.indexOf(piece);
  const range = sourceRange(sourceRuns!, text.length, { start, end: start + piece.length });
  return html.slice(range.start, range.end);
}

describe("the text of a page", () => {
  it("is what a reader sees, in blocks, with headings known", () => {
    const html = `<!DOCTYPE html><html><head><title>The  title</title><style>p { color: red }</style></head>
      <body><h1>A <em>big</em> day</h1><p>One
      two.<br>Three.</p><script>alert("x")</script><ul><li>first</li><li>second</ul><table><tr><td>a</td><td>b</td></tr></table>tail`;
    const { text, blocks } = htmlText(html);
    expect(blocks.map(({ start, end, heading }) => `${heading ? "H:" : ""}${text.slice(start, end)}`)).toEqual([
      "H:The title",
      "H:A big day",
      "One two.\nThree.",
      "first",
      "second",
      "a\tb",
      "tail",
    ]);
    expect(text).toBe("The title\n\nA big day\n\nOne two.\nThree.\n\nfirst\n\nsecond\n\na\tb\n\ntail");
  });

  it("has entities as the characters that they stand for, with their place", () => {
    const html = "<p>Fish &amp; chips &#8364;5 &eacute;t&eacute;&nbsp;&#x1F600;!</p>";
    expect(htmlText(html).text).toBe("Fish & chips €5 été\u00a0😀!");
    expect(sourceOf(html, "&")).toBe("&amp;");
    expect(sourceOf(html, "été")).toBe("&eacute;t&eacute;");
    expect(sourceOf(html, "😀!")).toBe("&#x1F600;!");
    expect(sourceOf(html, "chips")).toBe("chips");
  });

  it("keeps the lines of pre, and no white space around them", () => {
    const { text, blocks } = htmlText("<pre>\n  a\n    b  c\n</pre><p>d</p>");
    expect(blocks.map(({ start, end }) => text.slice(start, end))).toEqual(["a\n    b  c", "d"]);
  });

  it("is found in the markup across tags and collapsed white space", () => {
    const html = "<p>the <b>big\n\n   red</b> dog</p>";
    expect(sourceOf(html, "big red dog")).toBe("big\n\n   red</b> dog");
    expect(sourceOf(html, "red")).toBe("red");
  });

  it("survives broken markup", () => {
    expect(htmlText("<p>a<<b>b</p></div><i").text).toContain("b");
    expect(htmlText("").blocks).toEqual([]);
  });

  it("has each word where the markup has it", () => {
    const word = fc.stringMatching(/^[a-zé€]{1,6}$/);
    const space = fc.constantFrom(" ", "\n", "  \t", "<b> </b>", "</p><p>", "<br>", "<!-- c -->\n", "&amp; ");
    fc.assert(
      fc.property(fc.array(fc.tuple(word, space), { minLength: 1, maxLength: 20 }), (parts) => {
        const html = `<div><p>${parts.map(([first, then]) => first + then).join("")}</p></div>`;
        const { text, sourceRuns, blocks } = htmlText(html);
        for (const { start, end } of blocks) expect(text.slice(start, end)).toBe(text.slice(start, end).trim());
        for (const { 0: found, index } of text.matchAll(/[a-zé€]+/g)) {
          const range = sourceRange(sourceRuns!, text.length, { start: index, end: index + found.length });
          expect(html.slice(range.start, range.end).replaceAll(/<[^>]*>/g, "")).toBe(found);
        }
      }),
    );
  });
});
