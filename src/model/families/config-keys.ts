import { AlbertError } from "../../errors.ts";
import type { Activation } from "../config.ts";

// What the families' configurations have in common: keys of Hugging Face's library alone, and its names of activations.

/** Keys of a `config.json` that say what the model is for or how Hugging Face's library handles it, not what it is. */
const LIBRARY_KEYS: ReadonlySet<string> = new Set([
  "architectures",
  "model_type",
  "id2label",
  "label2id",
  "num_labels",
  "problem_type",
  "finetuning_task",
  "classifier_dropout_prob",
  "position_embedding_type",
  "pad_token_id",
  "bos_token_id",
  "eos_token_id",
  "tie_word_embeddings",
  "transformers_version",
  "torch_dtype",
  "dtype",
  "_name_or_path",
]);

/** Keys of `albertConfigToJson` that no other family's configuration has. */
export const ALBERT_ONLY_KEYS: ReadonlySet<string> = new Set([
  "family",
  "pooler_act",
  "num_hidden_groups",
  "inner_group_num",
]);

/** A configuration's JSON without what only Hugging Face's library reads. */
export function withoutLibraryKeys(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return withoutKeys(json, LIBRARY_KEYS);
}

/** A configuration's JSON without some keys. */
export function withoutKeys(
  json: Readonly<Record<string, unknown>>,
  keys: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).filter(([key]) => !keys.has(key)));
}

/** The library's activations, as it computes them. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: "gelu_erf",
  gelu_python: "gelu_erf",
  gelu_new: "gelu",
  gelu_fast: "gelu",
  gelu_pytorch_tanh: "gelu",
  silu: "silu",
  swish: "silu",
  relu: "relu",
  tanh: "tanh",
  linear: "linear",
};

/**
 * The activation that Hugging Face's library means by a name in any configuration but an ALBERT's, whose "gelu" has another
 * meaning here.
 *
 * @throws AlbertError unimplemented (ARCHITECTURE_UNKNOWN)
 */
export function readActivation(key: string, name: unknown): Activation {
  if (typeof name === "string" && Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name]!;
  throw unsupported(
    key,
    `the activation ${JSON.stringify(name)?.slice(0, 80)}`,
    `one of ${Object.keys(ACTIVATIONS).join(", ")}`,
  );
}

/** The library's name of an activation. */
export function writeActivation(activation: Activation): string {
  return { gelu: "gelu_new", gelu_erf: "gelu", silu: "silu", relu: "relu", tanh: "tanh", linear: "linear" }[activation];
}

/** The error for a configuration that asks for what is not computed here. */
export function unsupported(key: string, found: string, expected: string): AlbertError {
  return new AlbertError(
    "unimplemented",
    `${key} asks for ${found}, which is not computed here; expected ${expected}`,
    {
      reason: "ARCHITECTURE_UNKNOWN",
      metadata: { key },
    },
  );
}

/** Refuses what no family computes here: positions other than a table's rows, decoders, cross attention. */
export function refuseOtherTrunks(json: Readonly<Record<string, unknown>>): void {
  const { position_embedding_type: positions = "absolute" } = json;
  if (positions !== "absolute") {
    throw unsupported(
      "position_embedding_type",
      `${JSON.stringify(positions)?.slice(0, 80)} positions inside attention`,
      "absolute",
    );
  }
  for (const key of ["is_decoder", "add_cross_attention", "is_encoder_decoder"]) {
    if (json[key] === true) throw unsupported(key, "a decoder", "an encoder: false");
  }
}
