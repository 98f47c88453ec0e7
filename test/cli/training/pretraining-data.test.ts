import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRecords } from "../../../src/model/formats/tf-record.ts";
import { TokenStore } from "../../../src/pretraining/corpus/token-store.ts";
import { fromExample } from "../../../src/pretraining/records/official-features.ts";
import { decodeExample } from "../../../src/pretraining/records/tf-example.ts";
import { runAlbert } from "../../support/command-line.ts";
import { tinyText } from "../../support/english.ts";
import { fixture, missing, officialVocabulary } from "../../support/fixtures.ts";

let folder: string;
let vocab: string;
let input: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pretraining-data-"));
  vocab = join(folder, "vocab.txt");
  input = join(folder, "text.txt");
  const words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat dog bird ##ing . walk run sleep and small big".split(" ");
  writeFileSync(vocab, `${words.join("\n")}\n`);
  writeFileSync(
    input,
    tinyText(30, () => 6),
  );
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const albert = async (...args: string[]) => (await runAlbert("pretraining-data", ...args)).out;

async function instancesIn(file: string) {
  const instances = [];
  for await (const record of readRecords(createReadStream(file))) instances.push(fromExample(decodeExample(record)));
  return instances;
}

describe("albert pretraining-data", () => {
  const small = ["--max-seq-length", "32", "--dupe-factor", "2"];

  it("writes records to several files in turn, and says what it wrote", async () => {
    const files = ["a", "b", "c"].map((name) => join(folder, "out", `${name}.tfrecord`));
    const report = JSON.parse(
      await albert("--input", input, "--vocab", vocab, "--output", ...files, ...small, "--json"),
    );
    const counts = [];
    for (const file of files) counts.push((await instancesIn(file)).length);
    expect(report.text).toMatchObject({ documents: 30, sentences: 180 });
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(report.records.instances);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(readdirSync(join(folder, "out")).length).toBe(3);
    for (const { inputIds, maskedIds } of await instancesIn(files[0]!)) {
      expect(inputIds[0]).toBe(2);
      expect(maskedIds.length).toBeGreaterThan(0);
    }
  });

  it("writes the same bytes for the same seed, other bytes for another", async () => {
    const made = async (name: string, seed: string) => {
      await albert("--input", input, "--vocab", vocab, "--output", join(folder, name), ...small, "--seed", seed);
      return readFileSync(join(folder, name));
    };
    const first = await made("one", "5");
    expect((await made("two", "5")).equals(first)).toBe(true);
    expect((await made("three", "6")).equals(first)).toBe(false);
  });

  it("keeps a token store for training", async () => {
    const printed = await albert("--input", input, "--vocab", vocab, "--store", join(folder, "store"));
    expect(printed).toMatch(/30 documents, 180 sentences/);
    const store = new TokenStore(join(folder, "store"));
    expect(store.count).toBe(30);
    store.close();
  });

  it("refuses what cannot be done, and leaves no file behind", async () => {
    await expect(albert("--input", input, "--vocab", vocab)).rejects.toThrow(/--output FILES, --store DIR/);
    const output = join(folder, "out.tfrecord");
    const impossible = albert("--input", input, "--vocab", vocab, "--output", output, "--max-seq-length", "3");
    await expect(impossible).rejects.toThrow(/max-seq-length .* Expected an integer from 5/);
    writeFileSync(input, "");
    await expect(albert("--input", input, "--vocab", vocab, "--output", output)).rejects.toThrow(/no sentence/);
    expect(existsSync(output)).toBe(false);
  });

  const text = fixture("pretraining_data", "input_documents.txt");
  const official = text && fixture("pretraining_data", "default", "config.json");
  const records = official && readdirSync(join(official, "..")).find((name) => /^first\d+\.tf_record$/.test(name));
  const model = officialVocabulary();
  const config = official ? JSON.parse(readFileSync(official, "utf8")) : {};
  const comparable = records !== undefined && model !== undefined && config.random_seed === config.numpy_seed;
  it.skipIf(missing("official records and the 30k vocabulary", comparable))(
    "writes the official script's records, byte for byte, with --official-quirks",
    async () => {
      const output = join(folder, "official.tfrecord");
      await albert(
        ...["--input", text!, "--vocab", model!, "--output", output, "--official-quirks"],
        ...["--seed", `${config.random_seed}`, "--dupe-factor", `${config.dupe_factor}`, "--ngram", `${config.ngram}`],
        ...["--max-seq-length", `${config.max_seq_length}`, "--short-seq-prob", `${config.short_seq_prob}`],
        ...["--max-predictions-per-seq", `${config.max_predictions_per_seq}`],
        ...["--masked-lm-prob", `${config.masked_lm_prob}`],
        ...(config.do_permutation ? ["--permutation"] : []),
        ...(config.do_whole_word_mask ? [] : ["--no-whole-word-mask"]),
        ...(config.favor_shorter_ngram ? [] : ["--favor-longer-ngram"]),
        ...(config.random_next_sentence ? ["--random-next-sentence"] : []),
        ...(config.do_lower_case ? [] : ["--cased"]),
      );
      const expected = readFileSync(join(official!, "..", records!));
      expect(readFileSync(output).subarray(0, expected.length).equals(expected)).toBe(true);
    },
  );
});
