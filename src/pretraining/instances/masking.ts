import type { SpecialIds } from "../../tokenizer/tokenizer.ts";
import { continuesWord, type PackedTokens, tokenId } from "../corpus/packed-token.ts";
import type { Rng } from "./rng.ts";

// The official n-gram masking of one sequence.

export interface MaskingOptions {
  /** Share of all tokens, special ones included, to predict. 0 masks nothing. */
  readonly maskedLmProb: number;
  readonly maxPredictionsPerSequence: number;
  /** Longest run of words that is masked together. */
  readonly ngram: number;
  /** Run lengths n have probability proportional to 1/n; false reverses the list. */
  readonly favorShorterNgram: boolean;
  /** Mask whole words; false takes each piece for a word. */
  readonly wholeWordMask: boolean;
  /** Besides masking, let as many further tokens change places among themselves, to be predicted too. */
  readonly permutation: boolean;
  readonly vocabSize: number;
  readonly special: SpecialIds;
  /**
   * The official behaviour where it is a flaw: words and runs may reach over a [SEP], and a random replacement may be a
   * special token. Off: a [SEP] ends word and run, and replacements are drawn from ordinary pieces.
   */
  readonly officialQuirks: boolean;
}

export interface MaskedTokens {
  /** The sequence with its replacements. int32 [tokens] */
  readonly inputIds: Int32Array;
  /** Ascending. int32 [predictions] */
  readonly positions: Int32Array;
  /** What stood there, as packed tokens. [predictions] */
  readonly labels: Uint32Array;
  /** 1 where a word begins, and at [CLS] and [SEP]. uint8 [tokens] */
  readonly tokenBoundary: Uint8Array;
}

/** How many tokens of a sequence are predicted; halves round to even, as in Python. */
export function predictionBudget(tokens: number, { maskedLmProb, maxPredictionsPerSequence }: MaskingOptions): number {
  return Math.min(maxPredictionsPerSequence, Math.max(1, roundHalfToEven(tokens * maskedLmProb)));
}

/** Probabilities of run lengths 1..ngram. */
function ngramProbabilities({ ngram, favorShorterNgram }: MaskingOptions): number[] {
  const weights = Array.from({ length: ngram }, (_, i) => 1 / (i + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const probabilities = weights.map((weight) => weight / sum);
  return favorShorterNgram ? probabilities : probabilities.reverse();
}

/**
 * The official n-gram masking. Runs of words are visited in random order, each with a random length; a run that would
 * exceed the budget is shortened word by word, one that meets a token already taken is passed over. Of the tokens taken, 80 %
 * become [MASK], 10 % stay, 10 % become a random piece, each decided for itself.
 *
 * @param tokens `[CLS] a [SEP] b [SEP]`
 */
export function maskTokens(tokens: PackedTokens, options: MaskingOptions, rng: Rng): MaskedTokens {
  const { cls, sep } = options.special;
  const inputIds = Int32Array.from(tokens, tokenId);
  const { words, tokenBoundary } = findWords(tokens, cls, sep, options);
  if (options.maskedLmProb === 0) {
    return { inputIds, positions: new Int32Array(0), labels: new Uint32Array(0), tokenBoundary };
  }

  const budget = predictionBudget(tokens.length, options);
  const probabilities = ngramProbabilities(options);
  const taken = new Uint8Array(tokens.length);
  const predictions: { position: number; label: number }[] = [];
  let order = rng.order(words.length);

  for (const first of order) {
    if (predictions.length >= budget) break;
    const run = drawRun(words, first, rng.choice(probabilities) + 1, budget - predictions.length, taken);
    for (const position of run) {
      taken[position] = 1;
      predictions.push({ position, label: tokens[position]! });
      inputIds[position] = replacementFor(inputIds[position]!, options, rng);
    }
  }

  if (options.permutation || options.officialQuirks) {
    const again = rng.order(words.length); // drawn, officially, even when nothing is permuted
    order = again.map((i) => order[i]!);
  }
  if (options.permutation) {
    const chosen: number[] = [];
    for (const first of order) {
      if (chosen.length >= budget) break;
      const run = drawRun(words, first, rng.choice(probabilities) + 1, budget - chosen.length, taken);
      for (const position of run) {
        taken[position] = 1;
        chosen.push(position);
      }
    }
    chosen.sort((a, b) => a - b);
    const before = inputIds.slice();
    const places = rng.order(chosen.length);
    chosen.forEach((position, i) => {
      inputIds[position] = before[chosen[places[i]!]!]!;
      predictions.push({ position, label: tokens[position]! });
    });
  }

  predictions.sort((a, b) => a.position - b.position);
  return {
    inputIds,
    positions: Int32Array.from(predictions, ({ position }) => position),
    labels: Uint32Array.from(predictions, ({ label }) => label),
    tokenBoundary,
  };
}

interface Words {
  /** Positions of the tokens of each word. */
  readonly words: readonly Word[];
  readonly tokenBoundary: Uint8Array;
}

interface Word {
  readonly positions: number[];
  /** Segments count from 0; a run stays within one unless the official quirks are on. */
  readonly segment: number;
}

function findWords(tokens: PackedTokens, cls: number, sep: number, options: MaskingOptions): Words {
  const words: Word[] = [];
  const tokenBoundary = new Uint8Array(tokens.length);
  let segment = 0;
  for (let position = 0; position < tokens.length; position++) {
    const token = tokens[position]!;
    if (token === cls || token === sep) {
      tokenBoundary[position] = 1;
      if (token === sep && !options.officialQuirks) segment++;
      continue;
    }
    const last = words.at(-1);
    const continues = continuesWord(token);
    if (options.wholeWordMask && continues && last !== undefined && last.segment === segment) {
      last.positions.push(position);
    } else {
      words.push({ positions: [position], segment });
      if (!continues) tokenBoundary[position] = 1;
    }
  }
  return { words, tokenBoundary };
}

/** Positions of up to `length` words from word `first` on, as many words as fit `room`; empty when none or some is taken. */
function drawRun(words: readonly Word[], first: number, length: number, room: number, taken: Uint8Array): number[] {
  const { segment } = words[first]!;
  for (let n = length; n > 0; n--) {
    const run = words
      .slice(first, first + n)
      .filter((word) => word.segment === segment)
      .flatMap((word) => word.positions);
    if (run.length <= room) return run.some((position) => taken[position] === 1) ? [] : run;
  }
  return [];
}

function replacementFor(id: number, options: MaskingOptions, rng: Rng): number {
  if (rng.random() < 0.8) return options.special.mask;
  if (rng.random() < 0.5) return id;
  for (;;) {
    const replacement = rng.integer(0, options.vocabSize - 1);
    if (options.officialQuirks || !isSpecial(replacement, options.special)) return replacement;
  }
}

function isSpecial(id: number, { pad, unk, cls, sep, mask }: SpecialIds): boolean {
  return id === pad || id === unk || id === cls || id === sep || id === mask;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
