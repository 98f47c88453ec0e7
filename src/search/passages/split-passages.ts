import type { Block, SearchDocument } from "../documents/document.ts";
import { trimmed } from "../documents/text-blocks.ts";
import { PieceCounter } from "./piece-counter.ts";

// Cuts a document into passages: ranges of its text that are long enough to say something and short enough to be meant by one
// vector. Pure.

/** How documents are cut; part of an index, because other passages have other vectors. */
export interface PassageRule {
  /** Changes when the same text would be cut otherwise. */
  readonly version: 1;
  /** Most pieces of the encoder's tokenizer in a passage. */
  readonly maxTokens: number;
}

/** A half-open range of the document's text, in UTF-16 units, without white space at either end. */
export interface PassageRange {
  readonly start: number;
  readonly end: number;
}

/** What is never cut if it fits into a passage: a block, or a sentence or part of one that is too long. */
interface Unit extends PassageRange {
  readonly heading: boolean;
  /** A sentence of a block that is longer than a passage. */
  readonly sentence: boolean;
}

/** A heading begins a new passage once this share of one is full, and a sentence up to this share is said again in the next. */
const QUARTER = 0.25;

/**
 * The passages of a document, in order. Blocks are kept whole and together with their heading; those that are too long are
 * cut between sentences, and the last sentence, if it is short, also begins the next passage; sentences that are too long are
 * cut between words. Passages hold every character but white space; no other overlap.
 *
 * @param pieceStarts  where each piece of the whole text begins, in order
 */
export function splitPassages(
  { text, blocks }: Pick<SearchDocument, "text" | "blocks">,
  pieceStarts: Int32Array,
  { maxTokens }: PassageRule,
): PassageRange[] {
  const pieces = new PieceCounter(pieceStarts);
  const units = blocks.flatMap((block) => unitsOf(text, block, pieces, maxTokens));
  const passages: PassageRange[] = [];
  let open: Unit[] = [];
  const tokens = (end: number) => pieces.between(open[0]!.start, end);
  const close = () => {
    if (open.length > 0) passages.push({ start: open[0]!.start, end: open.at(-1)!.end });
    open = [];
  };
  for (const unit of units) {
    const last = open.at(-1);
    if (last !== undefined) {
      const begins = unit.heading && !last.heading && tokens(last.end) >= maxTokens * QUARTER;
      if (begins || tokens(unit.end) > maxTokens) {
        const again = last.sentence && unit.sentence && open.length > 1 && isShort(last);
        close();
        if (again && pieces.between(last.start, unit.end) <= maxTokens) open = [last];
      }
    }
    open.push(unit);
  }
  close();
  return passages.filter(({ start, end }) => pieces.between(start, end) > 0);

  function isShort({ start, end }: Unit): boolean {
    return pieces.between(start, end) <= maxTokens * QUARTER;
  }
}

function unitsOf(text: string, block: Block, pieces: PieceCounter, maxTokens: number): Unit[] {
  const { start, end, heading } = block;
  if (pieces.between(start, end) <= maxTokens) return [{ start, end, heading, sentence: false }];
  return sentencesOf(text, block).flatMap((sentence) =>
    partsOf(text, sentence, pieces, maxTokens).map((part) => ({ ...part, heading, sentence: true })),
  );
}

const SENTENCES = new Intl.Segmenter("en", { granularity: "sentence" });
/** A line break that only wraps a line: what follows is no item of a list and no row of a table. */
const WRAP = /\r?\n(?!\s*(?:[-*+|>]|\d+[.)])\s)/g;

/** Sentences, items of lists and rows of tables. */
function sentencesOf(text: string, { start, end }: PassageRange): PassageRange[] {
  const flat = text.slice(start, end).replace(WRAP, (wrap) => " ".repeat(wrap.length));
  return [...SENTENCES.segment(flat)].flatMap(({ index, segment }) => {
    const range = trimmed(text, start + index, start + index + segment.length);
    return range === undefined ? [] : [range];
  });
}

/** A range as parts that fit, cut where a word begins if there is such a place. */
function partsOf(text: string, { start, end }: PassageRange, pieces: PieceCounter, maxTokens: number): PassageRange[] {
  const parts: PassageRange[] = [];
  for (let from = start; from < end; ) {
    const to = pieces.between(from, end) <= maxTokens ? end : cutBefore(text, from, pieces.after(from, maxTokens));
    const part = trimmed(text, from, to);
    if (part !== undefined) parts.push(part);
    from = to;
  }
  return parts;
}

/** The last beginning of a word before or at `limit`, else `limit` itself, but not inside a surrogate pair. */
function cutBefore(text: string, from: number, limit: number): number {
  for (let at = limit; at > from + 1; at--) if (/\s/.test(text[at - 1]!)) return at;
  const inPair = limit > from + 1 && /[\udc00-\udfff]/.test(text[limit] ?? "");
  return inPair ? limit - 1 : limit;
}
