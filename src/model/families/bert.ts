import { type AlbertConfig, albertConfigToJson, type FamilyTraits } from "../config.ts";
import {
  ALBERT_ONLY_KEYS,
  readActivation,
  refuseOtherTrunks,
  withoutKeys,
  withoutLibraryKeys,
  writeActivation,
} from "./config-keys.ts";
import type { ModelFamily } from "./family.ts";
import { type Rename, rename } from "./renaming.ts";

// BERT: an ALBERT whose layers each have weights of their own and whose embeddings are as wide as its layers.

const TRAITS: FamilyTraits = { family: "bert", poolerAct: "tanh", leastTokenTypes: 1 };

/** The keys that its configuration shares with ALBERT's, and what its class takes for those that are absent. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  vocab_size: 30_522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3_072,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
};

const WITHOUT_EMBEDDING_SIZE: ReadonlySet<string> = new Set([...ALBERT_ONLY_KEYS, "embedding_size"]);

/** A layer of BERT or ELECTRA, whose trunk is called `trunk`. */
export function layerName(trunk: string): readonly Rename[] {
  return [[/^albert\.encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\./, `${trunk}.encoder.layer.$1.`]];
}

/** The parts of a layer of BERT or ELECTRA. */
export const LAYER_PARTS: readonly Rename[] = [
  [/\.attention\.(query|key|value)\./, ".attention.self.$1."],
  [/\.attention\.(dense|LayerNorm)\./, ".attention.output.$1."],
  [/\.ffn\./, ".intermediate.dense."],
  [/\.ffn_output\./, ".output.dense."],
  [/\.full_layer_layer_norm\./, ".output.LayerNorm."],
];

const OUTSIDE_LAYERS: readonly Rename[] = [
  [/^albert\.pooler\./, "bert.pooler.dense."],
  [/^albert\./, "bert."],
  [/^predictions\.(dense|LayerNorm)\./, "cls.predictions.transform.$1."],
  [/^predictions\./, "cls.predictions."],
  [/^sop_classifier\.classifier\./, "cls.seq_relationship."],
];

const TENSORFLOW_LAYER: readonly Rename[] = [
  [/^bert\/encoder\/transformer\/group_(\d+)\/inner_group_0\//, "bert/encoder/layer_$1/"],
];

const TENSORFLOW_PARTS: readonly Rename[] = [
  [/(\/layer_\d+)\/attention_1\//, "$1/attention/"],
  [/(\/layer_\d+)\/LayerNorm\//, "$1/attention/output/LayerNorm/"],
  [/(\/layer_\d+)\/ffn_1\/intermediate\/output\//, "$1/output/"],
  [/(\/layer_\d+)\/ffn_1\/intermediate\//, "$1/intermediate/"],
  [/(\/layer_\d+)\/LayerNorm_1\//, "$1/output/LayerNorm/"],
];

/** BERT, of Google's TensorFlow code and of Hugging Face's library. Its next-sentence head is our sentence-order head. */
export const BERT: ModelFamily = {
  name: "bert",
  classPrefix: "Bert",
  ownClasses: {
    BertForPreTraining: ["masked-lm", "sentence-order"],
    BertForNextSentencePrediction: ["sentence-order"],
  },
  trunkPrefix: "bert.",
  decoder: "cls.predictions.decoder",
  storesIdentityProjection: false,
  tensorName: (albertName) => rename(albertName, layerName("bert"), LAYER_PARTS, OUTSIDE_LAYERS),
  tensorFlowName: (variable) => rename(variable, TENSORFLOW_LAYER, TENSORFLOW_PARTS),
  readConfig: (json) => {
    refuseOtherTrunks(json);
    const own = { ...DEFAULTS, ...json };
    const layers = own["num_hidden_layers"];
    const shared = {
      embedding_size: own["hidden_size"],
      num_hidden_groups: layers,
      inner_group_num: 1,
      hidden_act: readActivation("hidden_act", own["hidden_act"]),
    };
    return { json: { ...own, ...shared }, traits: TRAITS };
  },
  writeConfig: (config) => writeBertConfig(config, WITHOUT_EMBEDDING_SIZE),
};

/** A configuration under BERT's keys, without those that the family does not have. */
export function writeBertConfig(config: AlbertConfig, absent: ReadonlySet<string>): Record<string, unknown> {
  const json = withoutKeys(withoutLibraryKeys(albertConfigToJson(config)), absent);
  return { ...json, hidden_act: writeActivation(config.hiddenAct) };
}
