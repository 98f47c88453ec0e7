import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import { type AlbertConfig, albertConfigToJson } from "../config.ts";
import { HEADS, type Head, type ProblemType } from "../heads.ts";
import type { Vocabulary } from "./vocabulary.ts";

// Writes the `config.json` and `tokenizer_config.json` with which Hugging Face's library opens a model directory.

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

const PROBLEM_TYPE_NAMES: Readonly<Record<ProblemType, string>> = {
  "single-label": "single_label_classification",
  "multi-label": "multi_label_classification",
  regression: "regression",
};

/**
 * `config.json` for Hugging Face's `from_pretrained`: the architecture named is the model class that opens the most of
 * our heads without a scope, and the activation is spelled the way that library computes it.
 */
export function huggingFaceConfig(
  config: AlbertConfig,
  heads: readonly Head[],
  vocabulary: Vocabulary | undefined,
): Record<string, unknown> {
  const unscoped = heads.filter((head) => head.scope === undefined);
  const classification = unscoped.find((head) => head.kind === "classification");
  return {
    architectures: [architectureOf(unscoped)],
    model_type: "albert",
    ...withoutLibraryKeys(albertConfigToJson(config)),
    hidden_act: { gelu: "gelu_new", gelu_erf: "gelu_python", relu: "relu", tanh: "tanh", linear: "linear" }[
      config.hiddenAct
    ],
    classifier_dropout_prob: config.extra["classifier_dropout_prob"] ?? 0.1, // what the official heads train with
    position_embedding_type: "absolute",
    tie_word_embeddings: true,
    ...specialTokenIds(vocabulary),
    ...(classification === undefined
      ? {}
      : {
          id2label: Object.fromEntries(classification.labels.map((label, id) => [String(id), label])),
          label2id: Object.fromEntries(classification.labels.map((label, id) => [label, id])),
          problem_type: PROBLEM_TYPE_NAMES[classification.problemType],
        }),
  };
}

/** Ids as the official vocabularies have them; of a `tokenizer.json` those that it says. */
function specialTokenIds(vocabulary: Vocabulary | undefined): Record<string, number> {
  if (vocabulary?.kind === "wordpiece") return { pad_token_id: 0 };
  if (vocabulary?.kind !== "tokenizer-json") return { pad_token_id: 0, bos_token_id: 2, eos_token_id: 3 };
  const { pad, cls, sep } = loadTokenizer(vocabulary).special;
  return { pad_token_id: pad, bos_token_id: cls, eos_token_id: sep };
}

/** A configuration's JSON without what only Hugging Face's library reads. */
export function withoutLibraryKeys(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).filter(([key]) => !LIBRARY_KEYS.has(key)));
}

function architectureOf(heads: readonly Head[]): string {
  const kinds = new Set(heads.map((head) => head.kind));
  const known = heads.map((head) => HEADS[head.kind].architecture).filter((name) => name !== null);
  if (known[0] === HEADS["masked-lm"].architecture && kinds.has("sentence-order")) return "AlbertForPreTraining";
  return known[0] ?? "AlbertModel";
}

/** `tokenizer_config.json` for Hugging Face's `AutoTokenizer`. */
export function huggingFaceTokenizerConfig(vocabulary: Vocabulary, maxSequenceLength: number): Record<string, unknown> {
  const { kind, lowerCase } = vocabulary;
  if (kind === "tokenizer-json") {
    const tokenizer = loadTokenizer(vocabulary);
    const { special } = tokenizer;
    const pieceOf = (id: number) => tokenizer.pieceOf(id);
    return {
      tokenizer_class: "PreTrainedTokenizerFast", // takes tokenizer.json as it is, and adds nothing
      model_max_length: maxSequenceLength,
      model_input_names: ["input_ids", "token_type_ids", "attention_mask"],
      cls_token: pieceOf(special.cls),
      sep_token: pieceOf(special.sep),
      mask_token: pieceOf(special.mask),
      pad_token: pieceOf(special.pad),
      unk_token: pieceOf(special.unk),
    };
  }
  const shared = { do_lower_case: lowerCase, model_max_length: maxSequenceLength };
  const special = { cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" };
  return kind === "sentencepiece"
    ? {
        tokenizer_class: "AlbertTokenizer",
        ...shared,
        keep_accents: false,
        remove_space: true,
        ...special,
        bos_token: "[CLS]",
        eos_token: "[SEP]",
        pad_token: "<pad>",
        unk_token: "<unk>",
      }
    : {
        tokenizer_class: "BertTokenizer",
        ...shared,
        strip_accents: null,
        tokenize_chinese_chars: true,
        ...special,
        pad_token: "[PAD]",
        unk_token: "[UNK]",
      };
}
