import { Parser } from "htmlparser2";
import type { Block, SearchDocument } from "./document.ts";
import { SourceRuns } from "./source-runs.ts";

// HTML as the text that a reader of the page sees, with the place in the file of every character. It renders nothing.

/** Elements whose text nobody reads. */
const UNSEEN: ReadonlySet<string> = new Set(["script", "style", "noscript", "template", "svg", "iframe", "object"]);

/** Elements that stand by themselves, so that their text begins a block. */
const BLOCKS: ReadonlySet<string> = new Set(
  "address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html li main nav ol p pre section summary table tbody tfoot thead title tr ul".split(
    " ",
  ),
);
const HEADING = /^(?:h[1-6]|title)$/;
/** Between the cells of a row. */
const CELLS: ReadonlySet<string> = new Set(["td", "th"]);
const BLOCK_SEPARATOR = "\n\n";

/**
 * Reads HTML, however broken. White space is one space, as in a browser, but in `pre`; blocks are separated by an empty line;
 * entities are the characters that they stand for.
 */
export function htmlText(html: string): SearchDocument {
  const reader = new HtmlReader();
  const parser = new Parser(
    {
      onopentag: (name) => reader.open(name),
      onclosetag: (name) => reader.close(name),
      ontext: (text) => reader.text(text, parser.startIndex, parser.endIndex + 1),
    },
    { decodeEntities: true, lowerCaseTags: true },
  );
  parser.end(html);
  return reader.finish();
}

class HtmlReader {
  readonly #runs = new SourceRuns();
  readonly #blocks: Block[] = [];
  #text = "";
  /** Where the open block begins; undefined between blocks. */
  #start: number | undefined;
  #heading = false;
  #unseen = 0;
  #verbatim = 0;
  /** White space that is written when a word follows it in the same block. */
  #space: { readonly text: string; readonly source: number; readonly length: number } | undefined;

  open(name: string): void {
    if (UNSEEN.has(name)) this.#unseen++;
    if (BLOCKS.has(name)) this.#endBlock();
    if (HEADING.test(name)) this.#heading = true;
    if (name === "pre") this.#verbatim++;
    if (name === "br") this.#space = { text: "\n", source: this.#space?.source ?? -1, length: 0 };
    if (CELLS.has(name) && this.#start !== undefined) this.#space = { text: "\t", source: -1, length: 0 };
  }

  close(name: string): void {
    if (UNSEEN.has(name)) this.#unseen--;
    if (BLOCKS.has(name)) this.#endBlock();
    if (HEADING.test(name)) this.#heading = false;
    if (name === "pre") this.#verbatim--;
  }

  /** Text that stands at `source..sourceEnd`: of one length with that, or an entity. */
  text(text: string, source: number, sourceEnd: number): void {
    if (this.#unseen > 0) return;
    if (text.length !== sourceEnd - source) this.#characters(text, source, sourceEnd - source);
    else if (this.#verbatim > 0) {
      // As the line break after <pre>, no white space at a block's beginning is seen.
      const lead = this.#start === undefined ? text.search(/\S/) : 0;
      if (lead >= 0) this.#characters(text.slice(lead), source + lead, text.length - lead);
    } else {
      for (const { 0: part, index } of text.matchAll(/[\t\n\f\r ]+|[^\t\n\f\r ]+/g)) {
        if (/^[\t\n\f\r ]/.test(part)) this.#space ??= { text: " ", source: source + index, length: part.length };
        else this.#characters(part, source + index, part.length);
      }
    }
  }

  finish(): SearchDocument {
    this.#endBlock();
    return { kind: "html", text: this.#text, blocks: this.#blocks, sourceRuns: this.#runs.finish() };
  }

  #characters(text: string, source: number, length: number): void {
    if (this.#start === undefined) {
      if (this.#text !== "") this.#write(BLOCK_SEPARATOR, source, 0);
      this.#start = this.#text.length;
    } else if (this.#space !== undefined) {
      const { text: space, source: at, length: spaceLength } = this.#space;
      this.#write(space, at < 0 ? source : at, spaceLength);
    }
    this.#space = undefined;
    this.#write(text, source, length);
  }

  #write(text: string, source: number, sourceLength: number): void {
    this.#text += text;
    this.#runs.add(text.length, source, sourceLength);
  }

  #endBlock(): void {
    this.#space = undefined;
    const start = this.#start;
    this.#start = undefined;
    const end = this.#text.trimEnd().length; // of `pre`
    if (start !== undefined) this.#blocks.push({ start, end, heading: this.#heading });
  }
}
