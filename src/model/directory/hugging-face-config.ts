import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import type { AlbertConfig } from "../config.ts";
import { classFor, familyNamed } from "../families/families.ts";
import type { Head, ProblemType } from "../heads.ts";
import type { Vocabulary } from "./vocabulary.ts";

// Writes the `config.json` and `tokenizer_config.json` with which Hugging Face's library opens a model directory.

const PROBLEM_TYPE_NAMES: Readonly<Record<ProblemType, string>> = {
  "single-label": "single_label_classification",
  "multi-label": "multi_label_classification",
  regression: "regression",
};

/**
 * `config.json` for Hugging Face's `from_pretrained`: the family's own keys, and as architecture the model class that opens the
 * most of our heads without a scope.
 */
export function huggingFaceConfig(
  config: AlbertConfig,
  heads: readonly Head[],
  vocabulary: Vocabulary | undefined,
): Record<string, unknown> {
  const unscoped = heads.filter((head) => head.scope === undefined);
  const classification = unscoped.find((head) => head.kind === "classification");
  const family = familyNamed(config.family);
  const kinds = unscoped.map(({ kind }) => kind);
  return {
    architectures: [classFor(family, kinds)],
    model_type: family.name,
    ...family.writeConfig(config),
    position_embedding_type: "absolute",
    tie_word_embeddings: !unscoped.some((head) => head.kind === "masked-lm" && head.untied),
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
