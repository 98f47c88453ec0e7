import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { readTokenizerJsonGoldens } from "./tokenizer-json-goldens.ts";

const { files, tokenizers, cases } = readTokenizerJsonGoldens(
  process.env["ALBERT_TOKENIZER_JSON_GOLDENS"] ?? join(import.meta.dirname, "tokenizer-json.jsonl.gz"),
);

/** An object inside JSON. */
const at = (json: unknown, ...path: readonly (string | number)[]) =>
  path.reduce((value, key) => (value as Record<string | number, unknown>)[key], json) as Record<string, unknown>;

/** One of the goldens' files after `edit`. */
function load(name: string, edit: (json: Record<string, unknown>) => unknown = () => {}) {
  const json = JSON.parse(files.get(name)!.toString("utf8")) as Record<string, unknown>;
  edit(json);
  return loadTokenizer({ bytes: Buffer.from(JSON.stringify(json)), kind: "tokenizer-json", lowerCase: true });
}

describe("a tokenizer.json", () => {
  it("gives the pieces and ids of the library that wrote it, for strings of all scripts", () => {
    expect(cases.length).toBeGreaterThan(1000);
    const wrong = cases.filter(({ tokenizer, text, ids, pieces }) => {
      const got = tokenizers.get(tokenizer)!.tokenize(text);
      return JSON.stringify([[...got.ids], got.pieces]) !== JSON.stringify([ids, pieces]);
    });
    expect(wrong).toEqual([]);
  });

  it("gives ranges of the caller's own text, in order, that together hold every character it keeps", () => {
    for (const { tokenizer, text } of cases) {
      const { starts, ends } = tokenizers.get(tokenizer)!.tokenize(text);
      let last = 0;
      for (let i = 0; i < starts.length; i++) {
        expect(starts[i]).toBeGreaterThanOrEqual(last);
        expect(ends[i]).toBeGreaterThanOrEqual(starts[i]!);
        last = starts[i]!;
      }
      expect(ends.at(-1) ?? 0).toBeLessThanOrEqual(text.length);
    }
    const text = "The  \u{1f600} caf\u00e9, NAI\u0308VE";
    const { pieces, starts, ends } = tokenizers.get("bert")!.tokenize(text);
    const words = pieces.map((_, i) => text.slice(starts[i], ends[i]));
    expect(words.join("")).toBe("The\u{1f600}caf\u00e9,NAI\u0308VE");
  });

  it("survives lone surrogates, and texts of nothing", () => {
    for (const tokenizer of tokenizers.values()) {
      expect(tokenizer.tokenize("").pieces).toEqual([]);
      const { starts, ends } = tokenizer.tokenize("a \ud83d b\udc00");
      expect(ends.at(-1)! - starts[0]!).toBeLessThanOrEqual(6);
    }
  });

  it("says its special ids, its size and whether it lower-cases", () => {
    const five = load("five");
    expect(five.special).toEqual({ pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 });
    expect([five.vocabSize, five.lowerCase, five.pieceStyle]).toEqual([8000, true, "sentencepiece"]);
    const cased = load("cased");
    expect([cased.lowerCase, cased.pieceStyle]).toEqual([false, "wordpiece"]);
    expect(load("added").vocabSize).toBe(8004);
    expect(load("added").pieceOf(8001)).toBe("New York");
    expect(() => five.pieceOf(8000)).toThrow(RangeError);
  });

  it.each<[string, string, (json: Record<string, unknown>) => unknown, RegExp]>([
    [
      "a byte-pair model",
      "five",
      (j) => Object.assign(at(j, "model"), { type: "BPE" }),
      /model.type is "BPE".*Unigram and WordPiece/,
    ],
    [
      "byte fallback",
      "five",
      (j) => Object.assign(at(j, "model"), { byte_fallback: true }),
      /model.byte_fallback is true/,
    ],
    ["no unknown piece", "five", (j) => Object.assign(at(j, "model"), { unk_id: null }), /model.unk_id is null/],
    [
      "an unknown piece beyond the vocabulary",
      "five",
      (j) => Object.assign(at(j, "model"), { unk_id: 9999 }),
      /an id from 0 to 7999/,
    ],
    [
      "a score that is no number",
      "five",
      (j) => Object.assign(at(j, "model"), { vocab: [["a", "b"]] }),
      /expected a piece and its score at model.vocab\[0\]/,
    ],
    [
      "an unknown normaliser",
      "five",
      (j) => Object.assign(j, { normalizer: { type: "ByteLevel" } }),
      /normalizer.type is "ByteLevel".*Precompiled/,
    ],
    [
      "a true regular expression",
      "five",
      (j) => Object.assign(j, { normalizer: { type: "Replace", pattern: { Regex: "(a|b)*" }, content: "" } }),
      /normalizer.pattern.Regex is "\(a\|b\)\*"/,
    ],
    [
      "another pre-tokenizer",
      "bert",
      (j) => Object.assign(j, { pre_tokenizer: { type: "Whitespace" } }),
      /pre_tokenizer.type is "Whitespace"/,
    ],
    [
      "no post-processor",
      "five",
      (j) => Object.assign(j, { post_processor: null }),
      /post_processor is null.*\[CLS\] A \[SEP\] B \[SEP\]/,
    ],
    [
      "another arrangement",
      "five",
      (j) => Object.assign(at(j, "post_processor"), { single: [] }),
      /post_processor is " \| \[CLS\]:0 A:0/,
    ],
    [
      "a special piece of another id",
      "five",
      (j) => Object.assign(at(j, "post_processor", "special_tokens", "[CLS]"), { ids: [7] }),
      /the one id 2 of \[CLS\]/,
    ],
    [
      "an added token of another id",
      "five",
      (j) => Object.assign(at(j, "added_tokens", 5), { id: 77 }),
      /gives "\(" the id 77, but model.vocab gives it 5/,
    ],
    [
      "two pieces of one id",
      "bert",
      (j) => Object.assign(at(j, "model", "vocab"), { again: 3 }),
      /"\[SEP\]" and "again" the same id 3/,
    ],
    [
      "an id out of all bounds",
      "bert",
      (j) => Object.assign(at(j, "model", "vocab"), { far: 1e12 }),
      /"far" the id 1000000000000; expected 0 to/,
    ],
    [
      "no mask",
      "bert",
      (j) => delete at(Object.assign(j, { added_tokens: [] }), "model", "vocab")["[MASK]"],
      /lacks the piece \[MASK\] or <mask>/,
    ],
    [
      "a charsmap that is damaged",
      "five",
      (j) => Object.assign(j, { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA/w==" } }),
      /normaliser's rules claim/,
    ],
  ])("is refused for %s, by its place in the file", (_, name, edit, message) => {
    expect(() => load(name, edit)).toThrow(message);
    try {
      load(name, edit);
    } catch (error) {
      expect((error as Error).message).toMatch(/; (save|bring|add)|expected/);
    }
  });

  it("is refused when it is no JSON, or no object", () => {
    for (const text of ["{", "[]", "null", "7"]) {
      expect(() => loadTokenizer({ bytes: Buffer.from(text), kind: "tokenizer-json", lowerCase: true })).toThrow(
        /tokenizer.json/,
      );
    }
  });
});
