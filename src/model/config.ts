import { type FieldViolation, invalidInput } from "../errors.ts";

// The architecture of an ALBERT model, read from and written as official JSON. It declares the letters for dimensions
// that the project uses.

/**
 * Activations Google's ALBERT knows ("gelu" is the tanh form), plus the exact-erf gelu and x sigmoid(x) for weights that were
 * truly trained with them.
 */
export type Activation = "gelu" | "gelu_erf" | "silu" | "relu" | "tanh" | "linear";

/**
 * An ALBERT architecture. Letters used across the project: V vocabulary, E embedding, H hidden, A attention heads,
 * D = H/A head size, F feed-forward, L layers, G groups, I inner groups, P positions.
 */
export interface AlbertConfig {
  /** Whose names and `config.json` the model's files have: "albert", or another family of `families/`. */
  readonly family: string;
  readonly vocabSize: number;
  readonly embeddingSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numHiddenGroups: number;
  readonly innerGroupNum: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly hiddenAct: Activation;
  /** Activation of the dense layer over [CLS]: tanh in every ALBERT. */
  readonly poolerAct: Activation;
  readonly hiddenDropoutProb: number;
  readonly attentionProbsDropoutProb: number;
  readonly maxPositionEmbeddings: number;
  /** 0 for a model without token types. */
  readonly typeVocabSize: number;
  /** Standard deviation of the truncated normal that kernels and embedding tables start from. */
  readonly initializerRange: number;
  /** 1e-12 in every official model. */
  readonly layerNormEps: number;
  /**
   * Whether the E -> H projection exists. Official code omits it when E == H; Hugging Face files always hold it.
   */
  readonly embeddingProjection: boolean;
  /** Keys of the JSON that we do not interpret, kept for writing the file back. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** The official code's defaults for absent keys: the xxlarge architecture. `vocab_size` has none. */
const OFFICIAL_DEFAULTS: Readonly<Record<string, number | string>> = {
  embedding_size: 128,
  hidden_size: 4096,
  num_hidden_layers: 12,
  num_hidden_groups: 1,
  num_attention_heads: 64,
  intermediate_size: 16384,
  inner_group_num: 1,
  hidden_act: "gelu",
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
};

/**
 * Largest values that are taken, far beyond any ALBERT there is: with larger ones a damaged file would ask for more tensors,
 * or larger ones, than any machine holds.
 */
const LARGEST: Readonly<Record<string, number>> = {
  vocab_size: 10_000_000,
  embedding_size: 1 << 20,
  hidden_size: 1 << 20,
  intermediate_size: 1 << 20,
  max_position_embeddings: 1 << 24,
  type_vocab_size: 1 << 16,
  num_attention_heads: 1 << 16,
  num_hidden_layers: 1_000,
  num_hidden_groups: 1_000,
  inner_group_num: 100,
};

/** Keys without which a file is most likely not an ALBERT configuration at all. */
const TELLING_KEYS = ["embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"];

/** What was read, and which keys silently took the official xxlarge default. */
export interface ParsedConfig {
  readonly config: AlbertConfig;
  /** One sentence for each telling key that was absent. Show these to a person. */
  readonly warnings: readonly string[];
}

/** What no key of an ALBERT's JSON says, because it is the same in every ALBERT. */
export interface FamilyTraits {
  readonly family: string;
  readonly poolerAct: Activation;
  readonly leastTokenTypes: 0 | 1;
}

const ALBERT: FamilyTraits = { family: "albert", poolerAct: "tanh", leastTokenTypes: 1 };

/**
 * Reads `albert_config.json` or a Hugging Face `config.json`. Both spell the keys alike; "gelu" and "gelu_new" both mean
 * the tanh form, because every published ALBERT was trained with it whatever its file says.
 *
 * @param traits  of another family, whose own reader has put its keys into ALBERT's
 * @throws AlbertError invalid-input with every wrong key at once
 */
export function parseAlbertConfig(json: unknown, traits: FamilyTraits = ALBERT): ParsedConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalidInput([{ field: "config", description: "expected a JSON object" }]);
  }
  const source = json as Record<string, unknown>;
  const violations: FieldViolation[] = [];
  const number = (key: string, minimum: number, integer: boolean): number => {
    const value = source[key] ?? OFFICIAL_DEFAULTS[key];
    if (
      typeof value !== "number" ||
      !Number.isFinite(value) ||
      value < minimum ||
      (integer && !Number.isInteger(value))
    ) {
      const kind = integer ? "an integer" : "a number";
      violations.push({
        field: key,
        description: `expected ${kind} >= ${minimum}, got ${JSON.stringify(source[key]) ?? "nothing"}`,
      });
      return minimum;
    }
    const largest = LARGEST[key];
    if (largest !== undefined && value > largest) {
      violations.push({ field: key, description: `expected at most ${largest}, got ${value}` });
      return minimum;
    }
    return value;
  };
  const hiddenAct = parseActivation(source["hidden_act"] === undefined ? "gelu" : source["hidden_act"]);
  if (hiddenAct === undefined) {
    violations.push({
      field: "hidden_act",
      description: `expected gelu, gelu_new, gelu_erf, silu, relu, tanh or linear, got ${JSON.stringify(source["hidden_act"])}`,
    });
  }
  const embeddingSize = number("embedding_size", 1, true);
  const hiddenSize = number("hidden_size", 1, true);
  const config: AlbertConfig = {
    family: traits.family,
    vocabSize: number("vocab_size", 1, true),
    embeddingSize,
    hiddenSize,
    numHiddenLayers: number("num_hidden_layers", 1, true),
    numHiddenGroups: number("num_hidden_groups", 1, true),
    innerGroupNum: number("inner_group_num", 1, true),
    numAttentionHeads: number("num_attention_heads", 1, true),
    intermediateSize: number("intermediate_size", 1, true),
    hiddenAct: hiddenAct ?? "gelu",
    poolerAct: traits.poolerAct,
    hiddenDropoutProb: number("hidden_dropout_prob", 0, false),
    attentionProbsDropoutProb: number("attention_probs_dropout_prob", 0, false),
    maxPositionEmbeddings: number("max_position_embeddings", 1, true),
    typeVocabSize: number("type_vocab_size", traits.leastTokenTypes, true),
    initializerRange: number("initializer_range", 0, false),
    layerNormEps: number("layer_norm_eps", 0, false),
    embeddingProjection: embeddingSize !== hiddenSize,
    extra: Object.fromEntries(
      Object.entries(source).filter(([key]) => key !== "vocab_size" && !(key in OFFICIAL_DEFAULTS)),
    ),
  };
  if (config.hiddenSize % config.numAttentionHeads !== 0) {
    violations.push({
      field: "num_attention_heads",
      description: `hidden_size ${hiddenSize} is not divisible by ${config.numAttentionHeads} heads`,
    });
  }
  if (config.numHiddenGroups > config.numHiddenLayers) {
    violations.push({
      field: "num_hidden_groups",
      description: `${config.numHiddenGroups} groups for ${config.numHiddenLayers} layers: some would never run`,
    });
  }
  if (violations.length > 0) throw invalidInput(violations);
  const warnings = TELLING_KEYS.filter((key) => source[key] === undefined).map(
    (key) => `${key} is absent; the official default of ${OFFICIAL_DEFAULTS[key]} (ALBERT-xxlarge) applies`,
  );
  return { config, warnings };
}

function parseActivation(name: unknown): Activation | undefined {
  if (name === null || name === "") return "linear";
  if (typeof name !== "string") return undefined;
  const known: Record<string, Activation> = {
    gelu: "gelu",
    gelu_new: "gelu",
    gelu_pytorch_tanh: "gelu",
    gelu_erf: "gelu_erf",
    gelu_python: "gelu_erf",
    silu: "silu",
    swish: "silu",
    relu: "relu",
    tanh: "tanh",
    linear: "linear",
  };
  return known[name.toLowerCase()];
}

/**
 * The configuration's own keys as official JSON spells them; `hidden_act` is written "gelu" for the tanh form. What sets another
 * family apart has keys of ours, which an ALBERT does not get.
 */
export function albertConfigToJson(config: AlbertConfig): Record<string, unknown> {
  return {
    ...config.extra,
    ...(config.family === ALBERT.family ? {} : { family: config.family, pooler_act: config.poolerAct }),
    attention_probs_dropout_prob: config.attentionProbsDropoutProb,
    embedding_size: config.embeddingSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    hidden_size: config.hiddenSize,
    initializer_range: config.initializerRange,
    inner_group_num: config.innerGroupNum,
    intermediate_size: config.intermediateSize,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.maxPositionEmbeddings,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_groups: config.numHiddenGroups,
    num_hidden_layers: config.numHiddenLayers,
    type_vocab_size: config.typeVocabSize,
    vocab_size: config.vocabSize,
  };
}

/**
 * The group whose weights layer `layer` uses: the official `int(layer / L * G)` in double precision, which differs from
 * the integer formula for some odd shapes (L=22, G=22, layer 15 gives 14). In another family every layer has its own.
 */
export function groupOfLayer(config: AlbertConfig, layer: number): number {
  if (config.family !== ALBERT.family) return layer;
  return Math.trunc((layer / config.numHiddenLayers) * config.numHiddenGroups);
}
