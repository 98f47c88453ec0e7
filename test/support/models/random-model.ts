import { type AlbertConfig, parseAlbertConfig } from "../../../src/model/config.ts";
import type { Head } from "../../../src/model/heads.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { sizeOf, type Tensor } from "../../../src/model/tensor.ts";

/** Every kind of head at once, two of them of one kind. */
export const ALL_HEADS: readonly Head[] = [
  { kind: "classification", name: "sentiment", problemType: "single-label", labels: ["bad", "good"] },
  { kind: "classification", name: "score", scope: "score", problemType: "regression", labels: ["score"] },
  { kind: "span", name: "span" },
  { kind: "span-answerability", name: "answer" },
  { kind: "multiple-choice", name: "choice", scope: "choice" },
  { kind: "masked-lm", name: "fill" },
  { kind: "sentence-order", name: "order" },
];

export interface RandomModelOptions {
  readonly heads?: readonly Head[];
  readonly seed?: number;
  /** Official keys that replace the small default's. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A small model with random weights of ordinary size, a pure function of its options. */
export function randomModel({ heads = ALL_HEADS, seed = 1, config: overrides = {} }: RandomModelOptions = {}) {
  const config: AlbertConfig = parseAlbertConfig({
    vocab_size: 120,
    embedding_size: 16,
    hidden_size: 32,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    intermediate_size: 48,
    max_position_embeddings: 64,
    ...overrides,
  }).config;
  const random = randomNumbers(seed);
  const parameters = new Map<string, Tensor>();
  for (const { name, shape, initializer } of modelParameters(config, heads)) {
    const base = initializer.kind === "ones" ? 1 : 0;
    const spread = shape.length === 1 ? 0.2 : 1.5 / Math.sqrt(shape[0]!);
    const data = Float32Array.from({ length: sizeOf(shape) }, () => base + (random() - 0.5) * 2 * spread);
    parameters.set(name, { shape, data });
  }
  return { config, heads, parameters };
}

/** The model with one token whose embedding is NaN, as a damaged checkpoint might have it. */
export function withPoisonousToken(model: ReturnType<typeof randomModel>, token: number) {
  const name = "bert/embeddings/word_embeddings";
  const { shape, data } = model.parameters.get(name)!;
  const width = shape[1]!;
  const poisoned = data.slice().fill(Number.NaN, token * width, (token + 1) * width);
  return { ...model, parameters: new Map(model.parameters).set(name, { shape, data: poisoned }) };
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
