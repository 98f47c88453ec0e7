import type { Block } from "./document.ts";

// The blocks of plain text and of Markdown. Offsets are those of the text itself; nothing is changed or left out.

interface Line {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const BLANK = /^\s*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const ATX_HEADING = /^ {0,3}#{1,6}(?:\s|$)/;
/** Under a single line it makes that a heading. */
const SETEXT_UNDERLINE = /^ {0,3}(?:=+|-{2,})\s*$/;

/** Paragraphs of plain text: what blank lines separate. */
export function plainBlocks(text: string): Block[] {
  return blocksOf(text, false);
}

/** Blocks of Markdown: what blank lines separate, headings by themselves, and fenced code as a whole. */
export function markdownBlocks(text: string): Block[] {
  return blocksOf(text, true);
}

function blocksOf(text: string, markdown: boolean): Block[] {
  const blocks: Block[] = [];
  let open: Line[] = [];
  let fence: string | undefined;
  const close = (heading = false) => {
    const block = trimmed(text, open[0]?.start ?? 0, open.at(-1)?.end ?? 0);
    if (block !== undefined) blocks.push({ ...block, heading });
    open = [];
  };
  for (const line of linesOf(text)) {
    const mark = markdown ? FENCE.exec(line.text)?.[1] : undefined;
    if (fence !== undefined) {
      open.push(line);
      if (mark?.startsWith(fence) && line.text.trim() === mark) {
        fence = undefined;
        close();
      }
    } else if (BLANK.test(line.text)) close();
    else if (mark !== undefined) {
      close();
      fence = mark;
      open.push(line);
    } else if (markdown && ATX_HEADING.test(line.text)) {
      close();
      open.push(line);
      close(true);
    } else {
      open.push(line);
      if (markdown && open.length === 2 && SETEXT_UNDERLINE.test(line.text)) close(true);
    }
  }
  close();
  return blocks;
}

/** The range without white space at either end; undefined where nothing is left. */
export function trimmed(text: string, from: number, to: number): { start: number; end: number } | undefined {
  let start = from;
  let end = to;
  while (start < end && BLANK.test(text[start]!)) start++;
  while (end > start && BLANK.test(text[end - 1]!)) end--;
  return start < end ? { start, end } : undefined;
}

function* linesOf(text: string): Generator<Line> {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    yield { start, end, text: text.slice(start, end) };
    start = end + 1;
  }
}
