import { preprocessText } from "../../tokenizer/sentencepiece/preprocess.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/**
 * The cleaning that the official scripts apply to a text when they read it: SentencePiece models clean and (if uncased)
 * lower-case it at once, WordPiece models take it as it is. Tokenizing the outcome gives the same pieces as tokenizing the
 * text itself; only what is joined from several texts must be cleaned before it is joined.
 */
export function processText(tokenizer: Pick<Tokenizer, "kind" | "lowerCase">, text: string): string {
  return tokenizer.kind === "sentencepiece" ? preprocessText(text, { lowerCase: tokenizer.lowerCase }) : text;
}
