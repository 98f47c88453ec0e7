import type { TextEncoder } from "../../../src/search/encoder.ts";
import { wordTokenizer } from "../../support/models/toy-model.ts";

/** An encoder without a model: a text's vector counts its letters, so that texts of the same words are near. `texts` is what it was given. */
export function letterEncoder(digest = "letters"): TextEncoder & { readonly texts: string[] } {
  const texts: string[] = [];
  return {
    about: { name: "letters", digest, pooling: "mean", width: 26 },
    tokenizer: wordTokenizer(),
    maxTokens: 64,
    texts,
    async *encode(wanted) {
      for (const text of wanted) {
        texts.push(text);
        const counts = new Float32Array(26);
        for (const letter of text.toLowerCase()) if (/[a-z]/.test(letter)) counts[letter.charCodeAt(0) - 97]!++;
        const length = Math.hypot(...counts) || 1;
        yield counts.map((count) => count / length);
      }
    },
  };
}

/** The vector of one text. */
export async function vectorOf(encoder: TextEncoder, text: string): Promise<Float32Array> {
  const { value } = await encoder.encode([text]).next();
  return value as Float32Array; // one text, one vector
}
