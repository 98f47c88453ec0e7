import { albertConfigToJson, type FamilyTraits } from "../config.ts";
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

// DistilBERT: BERT's layers under names of its own, no token types, and no pooler but the dense layer with a relu of its classifiers.

const TRAITS: FamilyTraits = { family: "distilbert", poolerAct: "relu", leastTokenTypes: 0 };

/** Its keys, ALBERT's for the same, and what its class takes for those that are absent. */
const KEYS: readonly (readonly [own: string, albert: string, absent: unknown])[] = [
  ["vocab_size", "vocab_size", 30_522],
  ["dim", "hidden_size", 768],
  ["n_layers", "num_hidden_layers", 6],
  ["n_heads", "num_attention_heads", 12],
  ["hidden_dim", "intermediate_size", 3_072],
  ["activation", "hidden_act", "gelu"],
  ["dropout", "hidden_dropout_prob", 0.1],
  ["attention_dropout", "attention_probs_dropout_prob", 0.1],
  ["max_position_embeddings", "max_position_embeddings", 512],
  ["initializer_range", "initializer_range", 0.02],
];
const OWN_KEYS: ReadonlySet<string> = new Set(KEYS.map(([own]) => own));

/** Keys of `albertConfigToJson` that its configuration has under another name, or not at all. */
const ABSENT: ReadonlySet<string> = new Set([
  ...ALBERT_ONLY_KEYS,
  ...KEYS.map(([, albert]) => albert),
  "embedding_size",
  "type_vocab_size",
  "layer_norm_eps",
]);

const LAYER: readonly Rename[] = [
  [/^albert\.encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\./, "distilbert.transformer.layer.$1."],
];

const PARTS: readonly Rename[] = [
  [/\.attention\.query\./, ".attention.q_lin."],
  [/\.attention\.key\./, ".attention.k_lin."],
  [/\.attention\.value\./, ".attention.v_lin."],
  [/\.attention\.dense\./, ".attention.out_lin."],
  [/\.attention\.LayerNorm\./, ".sa_layer_norm."],
  [/\.ffn\./, ".ffn.lin1."],
  [/\.ffn_output\./, ".ffn.lin2."],
  [/\.full_layer_layer_norm\./, ".output_layer_norm."],
];

const OUTSIDE_LAYERS: readonly Rename[] = [
  [/^albert\.pooler\./, "pre_classifier."],
  [/^albert\./, "distilbert."],
  [/^predictions\.dense\./, "vocab_transform."],
  [/^predictions\.LayerNorm\./, "vocab_layer_norm."],
  [/^predictions\.(decoder\.)?/, "vocab_projector."],
];

/** DistilBERT. */
export const DISTILBERT: ModelFamily = {
  name: "distilbert",
  classPrefix: "DistilBert",
  ownClasses: {},
  trunkPrefix: "distilbert.",
  decoder: "vocab_projector",
  storesIdentityProjection: false,
  tensorName: (albertName) => rename(albertName, LAYER, PARTS, OUTSIDE_LAYERS),
  readConfig: (json) => {
    refuseOtherTrunks(json);
    const values = KEYS.map(([own, albert, absent]) => [albert, json[own] ?? absent] as const);
    const shared: Record<string, unknown> = {
      ...withoutKeys(json, OWN_KEYS),
      ...Object.fromEntries(values),
      type_vocab_size: 0,
      layer_norm_eps: 1e-12, // its class knows no other
      inner_group_num: 1,
    };
    shared["embedding_size"] = shared["hidden_size"];
    shared["num_hidden_groups"] = shared["num_hidden_layers"];
    shared["hidden_act"] = readActivation("activation", shared["hidden_act"]);
    return { json: shared, traits: TRAITS };
  },
  writeConfig: (config) => {
    const json = albertConfigToJson(config);
    const own = KEYS.map(([key, albert]) => [key, json[albert]] as const);
    return {
      ...withoutKeys(withoutLibraryKeys(json), ABSENT),
      ...Object.fromEntries(own),
      activation: writeActivation(config.hiddenAct),
    };
  },
};
