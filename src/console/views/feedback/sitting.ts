import type { ManyAnswer } from "../../parts/calls/classify-many.ts";

// What a person judges in one sitting, kept in this tab alone, so that a reload loses nothing.

/** One answer, and what a person says of it. */
export interface JudgedItem {
  /** Of an answer that the server keeps; absent for texts of one's own. */
  readonly id?: string;
  readonly text: string;
  readonly label: string;
  /** Probability of the label. */
  readonly score: number;
  /** Distance to the label that comes second: the less, the less sure. */
  readonly margin: number;
  /** What it may be called, where that differs from the sitting's. */
  readonly labels?: readonly string[];
  /** The right label, once a person has said it; null for an item that was passed over. */
  readonly right?: string | null;
}

/** The answers of one model, least sure first. */
export interface Sitting {
  readonly model: string;
  readonly labels: readonly string[];
  readonly items: readonly JudgedItem[];
}

/** The answers with the least distance between first and second choice first; texts without an answer are left out. */
export function leastSureFirst(answers: readonly ManyAnswer[]): JudgedItem[] {
  return answers
    .flatMap((answer) => {
      if ("problem" in answer) return [];
      const [first, second] = answer.reply.labels;
      if (first === undefined) return [];
      return [
        { text: answer.text, label: first.label, score: first.score, margin: first.score - (second?.score ?? 0) },
      ];
    })
    .sort((a, b) => a.margin - b.margin);
}

/** Judged items as lines of JSON that a job can be taught from. */
export function linesOfJudged(items: readonly JudgedItem[]): string {
  return items
    .filter(({ right }) => typeof right === "string")
    .map(({ text, right }) => `${JSON.stringify({ text, label: right })}\n`)
    .join("");
}

const KEY = "albert-feedback";

export function readJudged(): Sitting | undefined {
  try {
    const kept = window.sessionStorage.getItem(KEY);
    return kept === null ? undefined : (JSON.parse(kept) as Sitting);
  } catch {
    return undefined;
  }
}

/** Keeps a sitting; one that is too large for the browser to keep is lost by a reload. */
export function keepJudged(sitting: Sitting | undefined): void {
  try {
    if (sitting === undefined) window.sessionStorage.removeItem(KEY);
    else window.sessionStorage.setItem(KEY, JSON.stringify(sitting));
  } catch {
    window.sessionStorage.removeItem(KEY);
  }
}
