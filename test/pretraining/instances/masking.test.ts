import { describe, expect, it } from "vitest";
import { deriveSeed } from "../../../src/model/random.ts";
import { packToken } from "../../../src/pretraining/corpus/packed-token.ts";
import { DEFAULT_INSTANCE_OPTIONS } from "../../../src/pretraining/instances/instance.ts";
import { type MaskingOptions, maskTokens, predictionBudget } from "../../../src/pretraining/instances/masking.ts";
import { PythonRng } from "../../../src/pretraining/instances/python-random.ts";
import { SeededRng } from "../../../src/pretraining/instances/rng.ts";

const special = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };
const options: MaskingOptions = { ...DEFAULT_INSTANCE_OPTIONS, vocabSize: 40, special };
/** [CLS] 10 11 12 [SEP] +20 21 22 [SEP]: the second segment begins inside a word, as truncation may leave it. */
const tokens = Uint32Array.from([2, 10, 11, 12, 3, packToken(20, false), 21, 22, 3]);

/** What a thousand differently seeded maskings take together: pairs of positions around the [SEP]. */
function everTakenTogether(changes: Partial<MaskingOptions>): boolean {
  for (let seed = 0; seed < 1000; seed++) {
    const masked = maskTokens(tokens, { ...options, maskedLmProb: 0.2, ...changes }, new SeededRng(deriveSeed(seed)));
    if (masked.positions.includes(3) && masked.positions.includes(5)) return true;
  }
  return false;
}

describe("masking", () => {
  it("ends words and runs at [SEP], which the official code does not", () => {
    // With room for two tokens and single words, 3 and 5 can go together only as one word.
    expect(everTakenTogether({ ngram: 1, maxPredictionsPerSequence: 2 })).toBe(true); // two single words may be drawn
    const oneWord = (officialQuirks: boolean) => {
      let together = 0;
      for (let seed = 0; seed < 300; seed++) {
        const rng = new SeededRng(deriveSeed(seed));
        const { positions } = maskTokens(tokens, { ...options, ngram: 1, maskedLmProb: 0.2, officialQuirks }, rng);
        if (positions.includes(3) !== positions.includes(5)) return "apart";
        if (positions.includes(3)) together++;
      }
      return together > 0 ? "always together" : "never";
    };
    expect(oneWord(true)).toBe("always together");
    expect(oneWord(false)).toBe("apart");
  });

  it("never replaces by a special token, which the official code may", () => {
    const replacements = (officialQuirks: boolean) => {
      const seen = new Set<number>();
      for (let seed = 0; seed < 2000; seed++) {
        const rng = new SeededRng(deriveSeed("replacements", seed));
        const { inputIds, positions } = maskTokens(tokens, { ...options, officialQuirks }, rng);
        for (const position of positions) seen.add(inputIds[position]!);
      }
      return [special.pad, special.unk, special.cls, special.sep].filter((id) => seen.has(id));
    };
    expect(replacements(false)).toEqual([]);
    expect(replacements(true).length).toBeGreaterThan(0);
  });

  it("predicts tokens that change places when permutation is on", () => {
    const { positions, labels, inputIds } = maskTokens(
      tokens,
      { ...options, maskedLmProb: 0.3, permutation: true },
      new SeededRng(deriveSeed(3)),
    );
    expect(positions.length).toBeGreaterThan(predictionBudget(tokens.length, { ...options, maskedLmProb: 0.3 }));
    expect([...labels]).toEqual(Array.from(positions, (position) => tokens[position]));
    expect([inputIds[0], inputIds[4], inputIds[8]]).toEqual([2, 3, 3]);
  });

  it("masks nothing when the share is 0", () => {
    const { positions, inputIds } = maskTokens(tokens, { ...options, maskedLmProb: 0 }, new SeededRng(deriveSeed(1)));
    expect(positions.length).toBe(0);
    expect([...inputIds]).toEqual([2, 10, 11, 12, 3, 20, 21, 22, 3]);
  });
});

describe("Python's random numbers", () => {
  it("are those of random.Random(12345) and numpy.random.seed(12345)", () => {
    const rng = new PythonRng({ random: 12345, numpy: 12345 });
    expect(rng.random()).toBe(0.41661987254534116);
    expect(rng.integer(2, 509)).toBe(7);
    expect(rng.order(8)).toEqual([0, 7, 3, 5, 1, 2, 6, 4]);
    expect(new PythonRng({ random: 2 ** 40 + 5, numpy: 0 }).random()).toBe(0.5043802970418443);
    expect(rng.choice([0.92, 0.01, 0.07])).toBe(1); // the first number is 0.9296160928171479
  });
});
