import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { textOf } from "../../src/tokenizer/aligned-text.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { preprocessText } from "../../src/tokenizer/sentencepiece/preprocess.ts";
import { SentencePieceModel } from "../../src/tokenizer/sentencepiece/sentencepiece.ts";
import * as unicode from "../../src/tokenizer/unicode.ts";
import { basicTokenize } from "../../src/tokenizer/wordpiece/basic-tokenizer.ts";
import { readWordPieceVocabulary } from "../../src/tokenizer/wordpiece/wordpiece-vocabulary.ts";
import { fixture, missing, officialVocabulary } from "../support/fixtures.ts";

/** Every case of a fixture is compared and all differences are reported together: one `it` per case would be thousands. */
function readLines<Case>(path: string): Case[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line): Case => JSON.parse(line));
}

const model = officialVocabulary();

const golden = fixture("tokenizer", "golden.jsonl");
describe.skipIf(missing("tokenizer/golden.jsonl or the 30k vocabulary", golden && model))(
  "official ALBERT text",
  () => {
    interface Case {
      readonly text: string;
      readonly lower: boolean;
      readonly cleaned: string;
      readonly pieces: readonly string[];
      readonly ids: readonly number[];
    }
    const cases = golden && model ? readLines<Case>(golden) : [];
    const bytes = model ? readFileSync(model) : new Uint8Array();

    it("is cleaned exactly", () => {
      const got = cases.map(({ text, lower }) => preprocessText(text, { lowerCase: lower }));
      expect(got).toEqual(cases.map(({ cleaned }) => cleaned));
    });

    it.each([true, false])("has exactly the official pieces and ids (lower-cased: %s)", (lowerCase) => {
      const tokenizer = loadTokenizer({ bytes, kind: "sentencepiece", lowerCase });
      const chosen = cases.filter(({ lower }) => lower === lowerCase);
      expect(chosen.length).toBeGreaterThan(0);
      const got = chosen.map(({ text }) => {
        const { pieces, ids } = tokenizer.tokenize(text);
        return { text, pieces, ids: [...ids] };
      });
      expect(got).toEqual(chosen.map(({ text, pieces, ids }) => ({ text, pieces, ids })));
    });
  },
);

const raw = fixture("tokenizer", "golden_raw_spm.jsonl");
describe.skipIf(missing("tokenizer/golden_raw_spm.jsonl or the 30k vocabulary", raw && model))(
  "plain SentencePiece",
  () => {
    interface Case {
      readonly text: string;
      readonly pieces: readonly string[];
      readonly ids: readonly number[];
      readonly decoded: string;
      readonly decoded_from_ids: string;
    }
    const cases = raw && model ? readLines<Case>(raw) : [];

    it("encodes and decodes exactly", () => {
      const engine = new SentencePieceModel(readFileSync(model!));
      const got = cases.map(({ text, pieces, ids }) => {
        const encoded = engine.encode(text);
        return {
          text,
          pieces: encoded.pieces,
          ids: [...encoded.ids],
          decoded: engine.decode(pieces),
          decoded_from_ids: engine.decodeIds(ids),
        };
      });
      const want = cases.map(({ text, pieces, ids, decoded, decoded_from_ids }) => ({
        text,
        pieces,
        ids,
        decoded,
        decoded_from_ids,
      }));
      expect(got).toEqual(want);
    });
  },
);

const vocabulary = fixture("tokenizer", "vocab.txt");
const loaded = fixture("tokenizer", "vocab_loaded.json");
describe.skipIf(missing("tokenizer/vocab.txt or vocab_loaded.json", vocabulary && loaded))(
  "a WordPiece vocabulary",
  () => {
    it("loads with the official ids", () => {
      expect([...readWordPieceVocabulary(readFileSync(vocabulary!))]).toEqual(
        JSON.parse(readFileSync(loaded!, "utf8")),
      );
    });
  },
);

const wordpiece = fixture("tokenizer", "golden_wordpiece.jsonl");
describe.skipIf(missing("tokenizer/golden_wordpiece.jsonl or vocab.txt", wordpiece && vocabulary))(
  "WordPiece text",
  () => {
    interface Case {
      readonly text: string;
      readonly lower: boolean;
      readonly basic_tokens: readonly string[];
      readonly pieces: readonly string[];
      readonly ids: readonly number[];
    }
    const cases = wordpiece && vocabulary ? readLines<Case>(wordpiece) : [];

    it.each([true, false])("has exactly the official words, pieces and ids (lower-cased: %s)", (lowerCase) => {
      const tokenizer = loadTokenizer({ bytes: readFileSync(vocabulary!), kind: "wordpiece", lowerCase });
      const chosen = cases.filter(({ lower }) => lower === lowerCase);
      expect(chosen.length).toBeGreaterThan(0);
      const got = chosen.map(({ text }) => {
        const basic = basicTokenize(text, lowerCase);
        const words: string[] = [];
        for (let i = 0; i < basic.bounds.length; i += 2) {
          words.push(textOf(basic.text, basic.bounds[i], basic.bounds[i + 1]));
        }
        const { pieces, ids } = tokenizer.tokenize(text);
        return { text, basic_tokens: words, pieces, ids: [...ids] };
      });
      expect(got).toEqual(chosen.map(({ text, basic_tokens, pieces, ids }) => ({ text, basic_tokens, pieces, ids })));
    });
  },
);

const tables = fixture("tokenizer", "unicode_tables.json");
describe.skipIf(missing("tokenizer/unicode_tables.json", tables))("Unicode tables", () => {
  const facts: Record<string, [number, number][]> = tables ? JSON.parse(readFileSync(tables, "utf8")) : {};
  it.each([
    ["combining_nonzero", unicode.COMBINING],
    ["python_isspace", unicode.WHITESPACE],
    ["python_isdigit", unicode.DIGIT],
    ["category_Mn", unicode.NONSPACING_MARK],
    ["category_P", unicode.PUNCTUATION],
    ["category_Zs", unicode.SPACE_SEPARATOR],
    ["category_Cc_Cf", unicode.CONTROL_OR_FORMAT],
  ])("agree with Python on %s", (name, table) => {
    const expected = new Set(
      facts[name]!.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
    );
    const wrong: number[] = [];
    for (let c = 0; c <= 0x10ffff; c++) if (table.has(c) !== expected.has(c)) wrong.push(c);
    expect(wrong).toEqual([]);
  });
});
