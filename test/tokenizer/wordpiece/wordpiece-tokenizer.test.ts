import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { basicTokenize } from "../../../src/tokenizer/wordpiece/basic-tokenizer.ts";

const pieces =
  "[PAD] [UNK] [CLS] [SEP] [MASK] want ##want ##ed wa un runn ##ing , caf ##e 中 hello how are you ? ! ##s".split(" ");
const vocabulary = (lines: readonly string[]) => Buffer.from(`${lines.join("\n")}\n`);
const load = (lowerCase: boolean) => loadTokenizer({ bytes: vocabulary(pieces), kind: "wordpiece", lowerCase });

describe("a WordPiece tokenizer", () => {
  const tokenizer = load(true);
  const cases: readonly [string, readonly string[]][] = [
    ["UNwant\u00e9d,running", ["un", "##want", "##ed", ",", "runn", "##ing"]],
    [" \tHeLLo!how  \n Are yoU?  ", ["hello", "!", "how", "are", "you", "?"]],
    ["unwantedX running", ["[UNK]", "runn", "##ing"]],
    ["ah\u4e2dzz", ["[UNK]", "\u4e2d", "[UNK]"]],
    ["hel\u0000l\u00ado", ["hello"]],
    ["", []],
    ["\u0301", []],
  ];

  it.each(cases)("cuts %j into the longest known pieces", (text, expected) => {
    expect(tokenizer.tokenize(text).pieces).toEqual(expected);
  });

  it("keeps case and accents when it is cased", () => {
    expect(load(false).tokenize("Hello hello caf\u00e9").pieces).toEqual(["[UNK]", "hello", "[UNK]"]);
  });

  it("gives the range of each piece in the original text", () => {
    const text = "  CAFE\u0301s,\u4e2d ??";
    const { pieces: got, starts, ends } = tokenizer.tokenize(text);
    expect(got).toEqual(["caf", "##e", "##s", ",", "\u4e2d", "?", "?"]);
    expect(got.map((_, i) => text.slice(starts[i], ends[i]))).toEqual(["CAF", "E\u0301", "s", ",", "\u4e2d", "?", "?"]);
  });

  it("does not look at words of more than 200 characters", () => {
    expect(tokenizer.tokenize(`runn${"ing".repeat(65)}`).pieces.length).toBe(66);
    expect(tokenizer.tokenize(`runn${"ing".repeat(66)}`).pieces).toEqual(["[UNK]"]);
  });

  it("cuts words of ASCII alone as it cuts all others", () => {
    const words = fc.array(fc.string({ unit: "binary-ascii", maxLength: 8 }), { maxLength: 4 });
    fc.assert(
      fc.property(words, fc.constantFrom(" ", "\n", "\t", "\r", "  "), fc.boolean(), (parts, space, lowerCase) => {
        const text = parts.join(space);
        // A joiner is dropped, but makes the word in front of which it stands one of many scripts.
        const marked = text.replace(/[^ \n\t\r]+/g, "$&\u200d");
        const places = [...marked].flatMap((character, i) => (character === "\u200d" ? [] : [i]));
        const [plain, other] = [basicTokenize(text, lowerCase), basicTokenize(marked, lowerCase)];
        expect(plain.bounds).toEqual(other.bounds);
        const { length } = plain.text;
        expect(plain.text.units.subarray(0, length)).toEqual(other.text.units.subarray(0, length));
        expect([...plain.text.starts.subarray(0, length)].map((start) => places[start])).toEqual([
          ...other.text.starts.subarray(0, length),
        ]);
        expect([...plain.text.ends.subarray(0, length)].map((end) => places[end - 1]! + 1)).toEqual([
          ...other.text.ends.subarray(0, length),
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it("has offsets in order and inside the text", () => {
    const hard = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("\u0130\u03a3", "\ud800\ud800"),
    );
    fc.assert(
      fc.property(fc.array(hard, { maxLength: 4 }), fc.boolean(), (parts, lowerCase) => {
        const text = parts.join(" ");
        const { ids, starts, ends } = load(lowerCase).tokenize(text);
        for (let i = 0; i < ids.length; i++) {
          expect(starts[i]).toBeGreaterThanOrEqual(i > 0 ? starts[i - 1]! : 0);
          expect(ends[i]).toBeGreaterThan(starts[i]!);
          expect(ends[i]).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("the basic tokenizer", () => {
  it.each([
    [0x4e00, 0x9fff],
    [0x3400, 0x4dbf],
    [0x20000, 0x2a6df],
    [0x2a700, 0x2b73f],
    [0x2b740, 0x2b81f],
    [0x2b820, 0x2ceaf],
    [0xf900, 0xfaff],
    [0x2f800, 0x2fa1f],
  ])("takes the ideographs from U+%x to U+%x for words, and nothing beside them", (first, last) => {
    const words = (codePoint: number) => basicTokenize(`a${String.fromCodePoint(codePoint)}b`, false).bounds.length / 2;
    expect([words(first), words(last)]).toEqual([3, 3]);
    const neighbours = [first - 1, last + 1].filter(
      (c) => c !== 0x2b73f && c !== 0x2b740 && c !== 0x2b81f && c !== 0x2b820,
    );
    for (const neighbour of neighbours) expect(words(neighbour)).toBe(1);
  });
});

describe("loading a WordPiece vocabulary", () => {
  it.each(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])("names the missing piece %s", (lacking) => {
    const bytes = vocabulary(pieces.filter((piece) => piece !== lacking));
    expect(() => loadTokenizer({ bytes, kind: "wordpiece", lowerCase: true })).toThrow(`lacks ${lacking}`);
  });

  it("refuses bytes that are not text, such as a SentencePiece model", () => {
    expect(() => loadTokenizer({ bytes: Buffer.from([10, 14, 0xff]), kind: "wordpiece", lowerCase: true })).toThrow(
      /UTF-8/,
    );
  });
});
