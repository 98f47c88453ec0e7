import { type AlbertConfig, parseAlbertConfig } from "./config.ts";

// The published ALBERT architectures by name.

/**
 * The architectures Google published for English (vocabulary of 30,000), and small ones in the same proportions for
 * laptops and tests: `4x312` means 4 layers of hidden size 312.
 *
 * The dropout of version 1 of base, large and xlarge was 0.1; version 2, and both versions of xxlarge, had none.
 * `xlarge` has 16 heads here as in its published configuration (the paper says 32): shapes cannot tell, so a
 * checkpoint's own configuration always wins.
 */
const ARCHITECTURES = {
  base: { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072, num_hidden_layers: 12, v1Dropout: 0.1 },
  large: { hidden_size: 1024, num_attention_heads: 16, intermediate_size: 4096, num_hidden_layers: 24, v1Dropout: 0.1 },
  xlarge: {
    hidden_size: 2048,
    num_attention_heads: 16,
    intermediate_size: 8192,
    num_hidden_layers: 24,
    v1Dropout: 0.1,
  },
  xxlarge: {
    hidden_size: 4096,
    num_attention_heads: 64,
    intermediate_size: 16384,
    num_hidden_layers: 12,
    v1Dropout: 0,
  },
  "2x128": { hidden_size: 128, num_attention_heads: 2, intermediate_size: 512, num_hidden_layers: 2, v1Dropout: 0.1 },
  "4x256": { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1024, num_hidden_layers: 4, v1Dropout: 0.1 },
  "4x312": { hidden_size: 312, num_attention_heads: 12, intermediate_size: 1200, num_hidden_layers: 4, v1Dropout: 0.1 },
} as const;

/** Names that `publishedConfig` knows: each architecture alone (version 2), or with `-v1` or `-v2` behind it. */
export const PUBLISHED_CONFIG_NAMES: readonly string[] = Object.keys(ARCHITECTURES).flatMap((name) => [
  name,
  `${name}-v1`,
  `${name}-v2`,
]);

/**
 * A named architecture with a vocabulary of its own size.
 *
 * @returns undefined for a name outside `PUBLISHED_CONFIG_NAMES`
 */
export function publishedConfig(name: string, vocabSize = 30000): AlbertConfig | undefined {
  const [, base, version] = /^(.*?)(?:-v([12]))?$/.exec(name)!;
  if (base === undefined || !Object.hasOwn(ARCHITECTURES, base)) return undefined;
  const { v1Dropout, ...sizes } = ARCHITECTURES[base as keyof typeof ARCHITECTURES];
  const dropout = version === "1" ? v1Dropout : 0;
  return parseAlbertConfig({
    ...sizes,
    vocab_size: vocabSize,
    embedding_size: 128,
    hidden_dropout_prob: dropout,
    attention_probs_dropout_prob: dropout,
  }).config;
}
