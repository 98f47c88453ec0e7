import type { FamilyTraits } from "../config.ts";
import { LAYER_PARTS, layerName, writeBertConfig } from "./bert.ts";
import { ALBERT_ONLY_KEYS, readActivation, refuseOtherTrunks, unsupported } from "./config-keys.ts";
import type { ModelFamily } from "./family.ts";
import { type Rename, rename } from "./renaming.ts";

// ELECTRA: layers as BERT's, and embeddings with a width and a projection of their own as ALBERT's. It has no pooler of its own;
// the dense layer over [CLS] belongs to the head that reads it, and its activation is the exact gelu.

const TRAITS: FamilyTraits = { family: "electra", poolerAct: "gelu_erf", leastTokenTypes: 1 };

const DEFAULTS: Readonly<Record<string, unknown>> = {
  vocab_size: 30_522,
  embedding_size: 128,
  hidden_size: 256,
  num_hidden_layers: 12,
  num_attention_heads: 4,
  intermediate_size: 1_024,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
};

const OUTSIDE_LAYERS: readonly Rename[] = [
  [/^albert\.encoder\.embedding_hidden_mapping_in\./, "electra.embeddings_project."],
  [/^albert\./, "electra."],
  [/^predictions\.(dense|LayerNorm)\./, "generator_predictions.$1."],
  [/^predictions\.(decoder\.)?/, "generator_lm_head."],
];

/** The dense layer over [CLS] and the layer on it, as the class of a classification and of a multiple choice has them. */
const CLASSIFICATION: readonly Rename[] = [
  [/^albert\.pooler\./, "classifier.dense."],
  [/^classifier\./, "classifier.out_proj."],
];
const MULTIPLE_CHOICE: readonly Rename[] = [[/^albert\.pooler\./, "sequence_summary.summary."]];

/** What the summary of a multiple choice must be, which is what its class takes for an absent key. */
const SUMMARY: Readonly<Record<string, unknown>> = {
  summary_type: "first",
  summary_use_proj: true,
  summary_activation: "gelu",
};

/** ELECTRA: discriminators and generators. The head that tells replaced tokens is left aside. */
export const ELECTRA: ModelFamily = {
  name: "electra",
  classPrefix: "Electra",
  ownClasses: { ElectraForPreTraining: [] },
  trunkPrefix: "electra.",
  decoder: "generator_lm_head",
  leftAside: /^discriminator_predictions\./,
  storesIdentityProjection: false,
  tensorName: (albertName, kinds) => {
    const pooled = kinds.has("multiple-choice") ? MULTIPLE_CHOICE : CLASSIFICATION;
    const named = rename(albertName, pooled);
    return named === albertName ? rename(albertName, layerName("electra"), LAYER_PARTS, OUTSIDE_LAYERS) : named;
  },
  readConfig: (json) => {
    refuseOtherTrunks(json);
    const own = { ...DEFAULTS, ...json };
    const shared = {
      num_hidden_groups: own["num_hidden_layers"],
      inner_group_num: 1,
      hidden_act: readActivation("hidden_act", own["hidden_act"]),
    };
    return { json: { ...own, ...shared }, traits: TRAITS };
  },
  writeConfig: (config) => writeBertConfig(config, ALBERT_ONLY_KEYS),
  checkHeads: ({ hiddenAct }, json, heads) => {
    const kinds = new Set(heads.map(({ kind }) => kind));
    if (kinds.has("masked-lm") && hiddenAct !== "gelu_erf") {
      const found = `${JSON.stringify(json["hidden_act"])} in its layers beside the gelu of its masked-LM head`;
      throw unsupported("hidden_act", found, "gelu, or no masked-LM head: --head none");
    }
    if (!kinds.has("multiple-choice")) return;
    for (const [key, expected] of Object.entries(SUMMARY)) {
      const { [key]: found = expected } = json;
      if (found !== expected) {
        throw unsupported(key, `the summary ${JSON.stringify(found)?.slice(0, 80)}`, JSON.stringify(expected));
      }
    }
  },
};
