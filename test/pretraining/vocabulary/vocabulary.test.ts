import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  OFFICIAL_USER_SYMBOLS,
  OFFICIAL_VOCABULARY_TRAINING,
  trainerArguments,
  trainVocabulary,
  type VocabularyTraining,
} from "../../../src/pretraining/vocabulary/train-vocabulary.ts";
import { loadTokenizerFile } from "../../../src/tokenizer/load-tokenizer.ts";
import { tinyText } from "../../support/english.ts";
import { missing } from "../../support/fixtures.ts";

let folder: string;
let training: VocabularyTraining;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vocabulary-"));
  writeFileSync(join(folder, "a.txt"), `${tinyText(60, () => 5)}The Caf\u00e9 costs (\u00a35) - or "\u20ac6".\n`);
  writeFileSync(join(folder, "b.txt.gz"), gzipSync(tinyText(20, () => 4)));
  training = {
    ...OFFICIAL_VOCABULARY_TRAINING,
    files: [join(folder, "a.txt"), join(folder, "b.txt.gz")],
    vocabSize: 80,
    outputPrefix: join(folder, "out", "small"),
  };
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("the trainer's flags", () => {
  it("are the official ones, with lists quoted as comma-separated values", () => {
    const flags = trainerArguments({ ...training, vocabSize: 30000 }, "in.txt", "30k-clean");
    expect(flags).toEqual(
      expect.arrayContaining([
        "--vocab_size=30000",
        "--pad_id=0",
        "--unk_id=1",
        "--bos_id=-1",
        "--eos_id=-1",
        "--control_symbols=[CLS],[SEP],[MASK]",
        '--user_defined_symbols=(,),"""",-,.,\u2013,\u00a3,\u20ac',
        "--character_coverage=0.99995",
        "--input_sentence_size=10000000",
        "--model_type=unigram",
      ]),
    );
    expect(trainerArguments({ ...training, userSymbols: [",", "a,b"] }, "", "")).toContain(
      '--user_defined_symbols=",","a,b"',
    );
  });
});

describe("training a vocabulary", () => {
  it("says how to install the trainer where it is missing", async () => {
    const attempt = trainVocabulary({ ...training, spmTrain: join(folder, "absent") });
    await expect(attempt).rejects.toMatchObject({ code: "precondition", reason: "SPM_TRAIN_MISSING" });
    await expect(attempt).rejects.toThrow(/apt-get install sentencepiece/);
  });

  it("refuses impossible settings, all at once", async () => {
    const attempt = trainVocabulary({ ...training, files: [], vocabSize: 5, characterCoverage: 2 });
    await expect(attempt).rejects.toThrow(/input: .*vocab_size: .*at least 14, got 5.*character_coverage/);
  });

  it("refuses a text without a line", async () => {
    writeFileSync(join(folder, "empty.txt"), "\n \n");
    const attempt = trainVocabulary({ ...training, files: [join(folder, "empty.txt")] });
    await expect(attempt).rejects.toMatchObject({ reason: "TEXT_EMPTY" });
  });

  const installed = spawnSync("spm_train", ["--help"]).error === undefined;
  describe.skipIf(missing("spm_train (Debian package sentencepiece)", installed))("with spm_train", () => {
    it("makes a vocabulary that loads here, with every special piece in its place", async () => {
      const log: string[] = [];
      const result = await trainVocabulary({ ...training, onLog: (line) => log.push(line) });
      expect(result).toMatchObject({ vocabSize: 80, model: join(folder, "out", "small.model") });
      expect(existsSync(result.vocab)).toBe(true);
      expect(log.length).toBeGreaterThan(0);
      const tokenizer = loadTokenizerFile(result.model, { kind: "sentencepiece", lowerCase: true });
      expect(tokenizer.vocabSize).toBe(80);
      expect(tokenizer.special).toEqual({ pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 });
      expect(OFFICIAL_USER_SYMBOLS.map((symbol) => tokenizer.idOf(symbol))).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
      const { ids } = tokenizer.tokenize('The small CAT - "walking" (\u00a35).');
      expect([...ids]).not.toContain(tokenizer.special.unk);
    });

    it("says how many pieces a text can give", async () => {
      await expect(trainVocabulary({ ...training, vocabSize: 20_000 })).rejects.toThrow(
        /at most \d+ pieces, got 20000/,
      );
    });

    it("says when there are too few pieces to spell the text", async () => {
      await expect(trainVocabulary({ ...training, vocabSize: 15 })).rejects.toMatchObject({ code: "invalid-input" });
    });

    it("stops when it is told to, and leaves no file behind", async () => {
      const outputPrefix = join(folder, "stopped", "small");
      const attempt = trainVocabulary({ ...training, outputPrefix, signal: AbortSignal.abort() });
      await expect(attempt).rejects.toMatchObject({ code: "cancelled" });
      expect(existsSync(join(folder, "stopped"))).toBe(false);
    });
  });
});
