import { parentPort } from "node:worker_threads";
import type { Vocabulary } from "../../model/directory/vocabulary.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import { buffersOfText, type PackedText, packText } from "../../tokenizer/packed-text.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

// The entry point of the thread that tokenizes long texts. It answers one text after the other, with exactly what the
// tokenizer of the main thread would give.

/** One text to tokenize. */
export interface TokenizingRequest {
  readonly text: string;
  /** Of the tokenizer. */
  readonly digest: string;
  /** What to make the tokenizer from, where the thread has not heard of it yet. */
  readonly vocabulary?: Vocabulary;
}

/** What the thread answers. */
export type TokenizingReply = { readonly packed: PackedText } | { readonly failure: unknown };

const tokenizers = new Map<string, Tokenizer>();

parentPort?.on("message", ({ text, digest, vocabulary }: TokenizingRequest) => {
  try {
    if (vocabulary !== undefined) tokenizers.set(digest, loadTokenizer(vocabulary));
    const tokenizer = tokenizers.get(digest);
    if (tokenizer?.digest !== digest)
      throw new Error("the tokenizer of a text is not the one that its vocabulary makes");
    const packed = packText(tokenizer.tokenize(text), tokenizer);
    parentPort?.postMessage({ packed } satisfies TokenizingReply, buffersOfText(packed));
  } catch (failure) {
    parentPort?.postMessage({ failure } satisfies TokenizingReply);
  }
});
