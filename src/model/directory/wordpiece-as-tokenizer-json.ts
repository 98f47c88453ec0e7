import { readWordPieceVocabulary } from "../../tokenizer/wordpiece/wordpiece-vocabulary.ts";

// Writes a WordPiece vocabulary and its settings as a `tokenizer.json`.

/** What a `tokenizer_config.json` may ask of a `vocab.txt` beyond lower-casing. */
export interface BasicTokenizing {
  readonly lowerCase: boolean;
  readonly stripAccents: boolean;
  /** Whether each CJK ideograph is a word of its own. */
  readonly splitIdeographs: boolean;
}

/**
 * A `vocab.txt` as the `tokenizer.json` that does the same, for settings that Google's basic tokenizer does not have: there
 * accents go with the case, and ideographs are always words.
 *
 * @throws AlbertError as `readWordPieceVocabulary`
 */
export function wordPieceAsTokenizerJson(vocabulary: Uint8Array, how: BasicTokenizing): Uint8Array {
  const ids = readWordPieceVocabulary(vocabulary);
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].filter((piece) => ids.has(piece));
  const token = (piece: string) => ({ SpecialToken: { id: piece, type_id: 0 } });
  const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
  const separator = (type: number) => ({ SpecialToken: { id: "[SEP]", type_id: type } });
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: ids.get(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: how.splitIdeographs,
      strip_accents: how.stripAccents,
      lowercase: how.lowerCase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [token("[CLS]"), sequence("A", 0), separator(0)],
      pair: [token("[CLS]"), sequence("A", 0), separator(0), sequence("B", 1), separator(1)],
      special_tokens: Object.fromEntries(
        ["[CLS]", "[SEP]"].map((piece) => [piece, { id: piece, ids: [ids.get(piece)], tokens: [piece] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
  return Buffer.from(JSON.stringify(json), "utf8");
}
