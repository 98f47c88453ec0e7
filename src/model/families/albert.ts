import { albertConfigToJson, type FamilyTraits } from "../config.ts";
import { refuseOtherTrunks, withoutLibraryKeys } from "./config-keys.ts";
import type { ModelFamily } from "./family.ts";

const TRAITS: FamilyTraits = { family: "albert", poolerAct: "tanh", leastTokenTypes: 1 };

/** ALBERT itself, whose names and keys are the program's own. */
export const ALBERT: ModelFamily = {
  name: "albert",
  classPrefix: "Albert",
  ownClasses: { AlbertForPreTraining: ["masked-lm", "sentence-order"] },
  trunkPrefix: "albert.",
  decoder: "predictions.decoder",
  storesIdentityProjection: true,
  tensorName: (albertName) => albertName,
  tensorFlowName: (variable) => variable,
  readConfig: (json) => {
    refuseOtherTrunks(json);
    return { json: { ...json }, traits: TRAITS };
  },
  writeConfig: (config) => ({
    ...withoutLibraryKeys(albertConfigToJson(config)),
    // As the library computes it: its own "gelu" is the exact form, which no published ALBERT was trained with.
    hidden_act: {
      gelu: "gelu_new",
      gelu_erf: "gelu_python",
      silu: "silu",
      relu: "relu",
      tanh: "tanh",
      linear: "linear",
    }[config.hiddenAct],
    classifier_dropout_prob: config.extra["classifier_dropout_prob"] ?? 0.1, // what the official heads train with
  }),
};
