import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { preprocessText } from "../../../src/tokenizer/sentencepiece/preprocess.ts";
import { SentencePieceModel } from "../../../src/tokenizer/sentencepiece/sentencepiece.ts";
import type { TokenizedText } from "../../../src/tokenizer/tokenizer.ts";
import { missing, officialVocabulary } from "../../support/fixtures.ts";
import { SPECIAL_PIECES, tinyModel } from "../../support/models/tiny-sentencepiece.ts";

/** What each piece covers in the original text. */
function slices(text: string, { starts, ends }: TokenizedText): string[] {
  return Array.from(starts, (start, i) => text.slice(start, ends[i]));
}

const english = [
  ...SPECIAL_PIECES,
  { text: ".", type: 4 },
  { text: "\u2581", score: -3 },
  { text: "\u2581cat", score: -5 },
  { text: "\u2581cats", score: -7 },
  { text: "s", score: -4 },
  { text: "\u25812000,", score: -6 },
  { text: "000,", score: -6 },
  { text: "\u2581x", score: -6 },
  { text: "\u25812", score: -5 },
  { text: "000", score: -6 },
  { text: "0", score: -6 },
  { text: ",", score: -4 },
];

describe("a SentencePiece tokenizer", () => {
  const load = (officialCommaHandling: boolean) =>
    loadTokenizer({
      bytes: tinyModel({ pieces: english }),
      kind: "sentencepiece",
      lowerCase: true,
      officialCommaHandling,
    });
  const tokenizer = load(true);

  it("takes the segmentation with the highest total score", () => {
    expect(tokenizer.tokenize("cats").pieces).toEqual(["\u2581cats"]); // -7 against -5 - 4
    expect(tokenizer.tokenize("cat.s").pieces).toEqual(["\u2581cat", ".", "s"]);
  });

  it("takes an unknown character only when known pieces cost more than ten nats above the rarest", () => {
    const pieces = ["\u2581", "bc", "d"].map((text) => ({ text, score: -8 }));
    const load = (cd: number) =>
      loadTokenizer({
        bytes: tinyModel({ pieces: [...SPECIAL_PIECES, ...pieces, { text: "cd", score: cd }] }),
        kind: "sentencepiece",
        lowerCase: true,
      });
    expect(load(-1).tokenize("bcd").pieces).toEqual(["\u2581", "bc", "d"]); // -16 against -18 - 1
    expect(load(4).tokenize("bcd").pieces).toEqual(["\u2581", "b", "cd"]); // -16 against -18 + 4
  });

  it("gives the range of each piece in the original text, without the space before it", () => {
    const text = "\t C\u00e1ts  cat\u0301. ";
    const got = tokenizer.tokenize(text);
    expect(got.pieces).toEqual(["\u2581cats", "\u2581cat", "."]);
    expect(slices(text, got)).toEqual(["C\u00e1ts", "cat\u0301", "."]);
  });

  it("merges neighbouring unknown characters into one piece that keeps its surface and covers it", () => {
    const text = "cat \u{1F431}\u732b cat";
    const got = tokenizer.tokenize(text);
    expect(got.pieces).toEqual(["\u2581cat", "\u2581", "\u{1F431}\u732b", "\u2581cat"]);
    expect(got.ids[2]).toBe(tokenizer.special.unk);
    expect(slices(text, got)).toEqual(["cat", " ", "\u{1F431}\u732b", "cat"]);
  });

  it("splits a comma off a number and encodes the number afresh", () => {
    expect(tokenizer.tokenize("2000,").pieces).toEqual(["\u25812", "000", ","]);
    const text = "x000, cat";
    const official = tokenizer.tokenize(text);
    expect(official.pieces).toEqual(["\u2581x", "\u2581", "000", ",", "\u2581cat"]);
    expect(slices(text, official)).toEqual(["x", "", "000", ",", "cat"]);
    const huggingFace = load(false).tokenize(text);
    expect(huggingFace.pieces).toEqual(["\u2581x", "000", ",", "\u2581cat"]);
    expect(slices(text, huggingFace)).toEqual(["x", "000", ",", "cat"]);
  });

  it("never makes control symbols from text", () => {
    const { ids } = tokenizer.tokenize("cat [MASK] cat");
    expect([...ids]).not.toContain(tokenizer.special.mask);
  });

  it.each(["", " ", "\n\t \u2003", "\u0301"])("gives no piece for %j", (text) => {
    expect(tokenizer.tokenize(text).ids.length).toBe(0);
  });

  it("takes a lone surrogate for a replacement character", () => {
    const got = tokenizer.tokenize("cat\ud83d cat");
    expect(got.pieces).toEqual(["\u2581cat", "\ufffd", "\u2581cat"]);
    expect([got.starts[1], got.ends[1]]).toEqual([3, 4]);
  });

  it("has a digest that depends on the vocabulary and on every option", () => {
    const bytes = tinyModel({ pieces: english });
    const digests = [
      loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true }),
      loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: false }),
      loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true, officialCommaHandling: false }),
      loadTokenizer({ bytes: tinyModel({ pieces: english.slice(0, -1) }), kind: "sentencepiece", lowerCase: true }),
    ].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(4);
    expect(loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true }).digest).toBe(digests[0]);
  });
});

describe("loading a SentencePiece model", () => {
  const load = (bytes: Uint8Array) => loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true });

  it.each(["<pad>", "[CLS]", "[SEP]", "[MASK]"])("names the missing piece %s", (lacking) => {
    const pieces = SPECIAL_PIECES.filter(({ text }) => text !== lacking);
    expect(() => load(tinyModel({ pieces }))).toThrow(`lacks the piece ${lacking}`);
  });

  it.each([
    ["byte-pair encoding", tinyModel({ trainer: { 3: 2 } }), /expected unigram/],
    ["byte fallback", tinyModel({ trainer: { 35: 1 } }), /byte_fallback/],
    ["white space as suffix", tinyModel({ trainer: { 24: 1 } }), /treat_whitespace_as_suffix/],
    ["no piece", tinyModel({ pieces: [] }), /no piece/],
    ["no unknown piece", tinyModel({ pieces: [{ text: "a" }] }), /one unknown piece, got 0/],
    ["an empty piece", tinyModel({ pieces: [{ text: "" }] }), /piece 0: its text is empty/],
    ["a vocabulary listing", Buffer.from("<pad>\t0\n<unk>\t0\n[CLS]\t0\n"), /SentencePiece model/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => load(bytes)).toThrow(message);
  });

  it("refuses a truncated file wherever it was cut inside a piece", () => {
    const whole = tinyModel({ pieces: [...SPECIAL_PIECES, { text: "\u2581cat" }] });
    const lastPiece = whole.length - 4; // the two empty option messages take four bytes
    for (let cut = lastPiece - 14; cut < lastPiece; cut++)
      expect(() => load(whole.subarray(0, cut))).toThrow(/SentencePiece model/);
  });
});

const model = officialVocabulary();
describe.skipIf(missing("the 30k vocabulary", model))("the official vocabulary", () => {
  const bytes = model ? readFileSync(model) : new Uint8Array();
  /** Text with all that makes offsets hard: accents, ligatures, odd spaces, scripts, emoji, lone surrogates, numbers. */
  const hardText = fc
    .array(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 3 }),
        fc.string({ unit: "grapheme", maxLength: 8 }),
        fc.constantFrom(
          "the ",
          "2,000, ",
          "e\u0301",
          "\ufb01",
          "\u00bd",
          "\u00a0",
          "\u3000",
          "\u00b4",
          "\u2026",
          "\u0130",
          "\u03a3",
        ),
        fc.constantFrom(
          "\ud800",
          "\udc00",
          "\u{1F468}\u200d\u{1F469}",
          "\uac01",
          "\u0e33",
          "\u2581",
          "\u0000",
          "\ufeff",
          "[MASK]",
          "1\u0660,",
        ),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join(""));

  it.each([true, false])(
    "has offsets in order, inside the text, that never split a character (lower-cased: %s)",
    (lowerCase) => {
      const tokenizer = loadTokenizer({ bytes, kind: "sentencepiece", lowerCase });
      fc.assert(
        fc.property(hardText, (text) => {
          const { pieces, ids, starts, ends } = tokenizer.tokenize(text);
          expect([ids.length, starts.length, ends.length]).toEqual([pieces.length, pieces.length, pieces.length]);
          for (let i = 0; i < pieces.length; i++) {
            expect(starts[i]).toBeGreaterThanOrEqual(i > 0 ? starts[i - 1]! : 0);
            expect(ends[i]).toBeGreaterThanOrEqual(Math.max(starts[i]!, i > 0 ? ends[i - 1]! : 0));
            expect(ends[i]).toBeLessThanOrEqual(text.length);
            for (const at of [starts[i]!, ends[i]!])
              expect(/[\ud800-\udbff]$/.test(text.slice(0, at)) && /^[\udc00-\udfff]/.test(text.slice(at))).toBe(false);
          }
        }),
        { numRuns: 400 },
      );
    },
  );

  it("covers with each piece what tokenizes to that piece again", () => {
    const tokenizer = loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true });
    const text = "The Caf\u00e9 by  the r\u00edver: o\ufb03ce \u00bd mile";
    const encoded = tokenizer.tokenize(text);
    encoded.pieces.forEach((piece, i) => {
      const covered = preprocessText(text.slice(encoded.starts[i], encoded.ends[i]), { lowerCase: true });
      expect(covered).toContain(piece.replaceAll("\u2581", ""));
    });
  });

  it("cuts the normalised text without loss", () => {
    const engine = new SentencePieceModel(bytes);
    fc.assert(
      fc.property(hardText, (text) => {
        expect(engine.encode(text).pieces.join("")).toBe(engine.normalize(text));
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same pieces as sentencepiece-js, an independent build of SentencePiece", async () => {
    const { SentencePieceProcessor } = createRequire(import.meta.url)("sentencepiece-js");
    const before = new Set<unknown>([
      ...process.rawListeners("unhandledRejection"),
      ...process.rawListeners("uncaughtException"),
    ]);
    const independent = new SentencePieceProcessor();
    await independent.load(model);
    for (const added of process.listeners("unhandledRejection")) {
      if (!before.has(added)) process.removeListener("unhandledRejection", added);
    }
    for (const added of process.listeners("uncaughtException")) {
      if (!before.has(added)) process.removeListener("uncaughtException", added);
    }
    const engine = new SentencePieceModel(bytes);
    const vocabulary = engine.file.pieces
      .filter(({ type }) => type === "normal")
      .map(({ text }) => text.replace("\u2581", " "));
    const words = fc.array(fc.constantFrom(...vocabulary), { maxLength: 30 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(words, hardText), (text) => {
        // The package mistakes lone surrogates and NUL for the end of a character or text; neither exists in UTF-8 text.
        const plain = Buffer.from(text.replaceAll("\0", "")).toString();
        expect(engine.encode(plain).pieces).toEqual(independent.encodePieces(plain));
      }),
      { numRuns: 500 },
    );
  });

  it("stays linear on words without end, known or unknown", () => {
    const tokenizer = loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true });
    expect(tokenizer.tokenize("\u216b".repeat(100_000)).pieces.length).toBeGreaterThan(0);
    const unknown = tokenizer.tokenize("\u732b".repeat(100_000));
    expect(unknown.pieces.map((piece) => piece.length)).toEqual([1, 100_000]);
    expect([unknown.starts[1], unknown.ends[1]]).toEqual([0, 100_000]);
    const known = tokenizer.tokenize("abcde".repeat(20_000));
    expect(known.pieces.join("")).toBe(`\u2581${"abcde".repeat(20_000)}`);
  });
});
