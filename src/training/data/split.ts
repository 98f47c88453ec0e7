import { createHash } from "node:crypto";
import type { Example } from "../../tasks/datasets/examples.ts";
import { groupKey } from "./example-keys.ts";

// Decides which examples are held out for evaluation.

/** How much is held out for evaluation, and which choice of it. */
export interface SplitRule {
  /** 0 to 1. */
  readonly share: number;
  readonly seed: number;
}

/**
 * Whether an example belongs to the part held out for evaluation. The decision depends on the example's group (its document,
 * or its text) and the rule alone: it stays when rows are added, removed or reordered.
 */
export function isHeldOut(example: Example, rule: SplitRule): boolean {
  return isChosen(groupKey(example), rule);
}

function isChosen(key: string, { share, seed }: SplitRule): boolean {
  return unitHash(`${seed}/${key}`) < share;
}

/** A split in which nothing of a held-out text is trained on. */
export interface PhraseSplit {
  /** Indexes of the texts held out. */
  readonly heldOut: ReadonlySet<number>;
  /** Indexes of texts that are neither trained on nor held out: phrases of held-out texts. */
  readonly dropped: ReadonlySet<number>;
}

/**
 * Splits texts of which some are phrases of others, such as SST-2's training data, which holds every sentence together with its
 * own parts. Only whole texts (phrases of no other) are held out, and no phrase of a held-out text stays for training.
 *
 * @param texts  white space separates words
 */
export function phraseSplit(texts: readonly string[], rule: SplitRule): PhraseSplit {
  const words = texts.map((text) => text.trim().split(/\s+/));
  const known = new Set(words.map((own) => own.join(" ")));
  const isPart = new Set<string>();
  for (const own of words) {
    for (const phrase of properPhrases(own)) if (known.has(phrase)) isPart.add(phrase);
  }
  const heldOut = new Set<number>();
  const phrases = new Set<string>();
  words.forEach((own, i) => {
    const whole = own.join(" ");
    if (isPart.has(whole) || !isChosen(whole, rule)) return;
    heldOut.add(i);
    for (const phrase of properPhrases(own)) phrases.add(phrase);
  });
  const dropped = new Set<number>();
  words.forEach((own, i) => {
    if (!heldOut.has(i) && phrases.has(own.join(" "))) dropped.add(i);
  });
  return { heldOut, dropped };
}

/** Every run of words of a text, but for the whole. */
function* properPhrases(words: readonly string[]): Generator<string> {
  for (let from = 0; from < words.length; from++) {
    let phrase = "";
    for (let to = from; to < words.length; to++) {
      phrase = to === from ? words[to]! : `${phrase} ${words[to]}`;
      if (to - from + 1 < words.length) yield phrase;
    }
  }
}

/** A number from 0 to 1 that a text decides. */
function unitHash(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}
