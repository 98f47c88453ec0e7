const special = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
const single = [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)];

/** Parts of a `tokenizer.json` that hold for both models: nine pieces, `[CLS]` 2, `[SEP]` 3, `[MASK]` 4. */
const shared = {
  version: "1.0",
  truncation: null,
  padding: null,
  post_processor: {
    type: "TemplateProcessing",
    single,
    pair: [...single, sequence("B", 1), special("[SEP]", 1)],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
    },
  },
};

const added = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: true,
  rstrip: false,
  normalized: false,
  special: true,
});

/** A `tokenizer.json` of nine pieces, with as many kinds of parts as its model goes with. */
export function tinyTokenizerJson(type: "Unigram" | "WordPiece") {
  if (type === "WordPiece") {
    return {
      ...shared,
      added_tokens: [added(4, "[MASK]")],
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      model: {
        type,
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: { "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, a: 5, b: 6, "##b": 7, c: 8 },
      },
    };
  }
  const pieces = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "\u2581", "a", "\u2581a", "b"];
  return {
    ...shared,
    added_tokens: [added(4, "[MASK]"), { ...added(9, "New York"), normalized: true }],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Replace", pattern: { String: "``" }, content: '"' },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
        { type: "NFKD" },
        { type: "StripAccents" },
        { type: "Lowercase" },
        { type: "Precompiled", precompiled_charsmap: "" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "WhitespaceSplit" },
        { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" },
      ],
    },
    model: { type, unk_id: 1, byte_fallback: false, vocab: pieces.map((piece, i) => [piece, -i]) },
  };
}
