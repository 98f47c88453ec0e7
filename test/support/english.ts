import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SPECIAL_PIECES, tinyModel } from "./models/tiny-sentencepiece.ts";

/** Words that `tinyTokenizer` knows; each is one piece, and "ing" is a piece that continues a word. */
const WORDS = "the cat dog bird tree house river walk talk jump run sleep red blue old new big small and or".split(" ");

/** The file of a vocabulary of a few English words. */
export function tinyVocabulary(): Uint8Array {
  const pieces = [
    ...SPECIAL_PIECES,
    { text: ".", type: 4 },
    { text: "ing", score: -3 },
    { text: "\u2581", score: -9 },
    ...WORDS.map((word, i) => ({ text: `\u2581${word}`, score: -2 - i / 10 })),
  ];
  return tinyModel({ pieces });
}

/** A tokenizer over these words, made in memory. */
export function tinyTokenizer(): Tokenizer {
  return loadTokenizer({ bytes: tinyVocabulary(), kind: "sentencepiece", lowerCase: true });
}

/** A deterministic text of documents, one sentence per line and a blank line between documents. */
export function tinyText(documents: number, sentencesPerDocument: (document: number) => number): string {
  let state = 1;
  const next = (bound: number): number => {
    state = (state * 48271) % 0x7fffffff;
    return state % bound;
  };
  const sentence = () =>
    `${Array.from({ length: 3 + next(9) }, () => WORDS[next(WORDS.length)]! + (next(5) === 0 ? "ing" : "")).join(" ")}.`;
  const document = (d: number) => Array.from({ length: sentencesPerDocument(d) }, sentence).join("\n");
  return `${Array.from({ length: documents }, (_, d) => document(d)).join("\n\n")}\n`;
}
