import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { exportHuggingFace, exportTensorFlow } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { labelsOfConfig } from "../../../src/model/checkpoint/head-labels.ts";
import { openCheckpoint } from "../../../src/model/checkpoint/open-checkpoint.ts";
import { unwrapNames } from "../../../src/model/checkpoint/wrapper-prefixes.ts";
import { parseManifest } from "../../../src/model/directory/manifest.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { parseSafetensors } from "../../../src/model/formats/safetensors.ts";
import { withShardedSafetensors } from "../../../src/model/formats/sharded-safetensors.ts";
import { readSortedTable } from "../../../src/model/formats/sstable.ts";
import type { Head } from "../../../src/model/heads.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import type { VocabularyKind } from "../../../src/tokenizer/tokenizer.ts";
import { BUNDLED_FIXTURES } from "../../support/fixtures.ts";
import { scratchDirectory, tinyModel, tinyVocabulary } from "../../support/models/tiny-model.ts";
import { tinyTokenizerJson } from "../../support/models/tiny-tokenizer-json.ts";
import { mutatedBytes, mutatedJson } from "../../support/mutations.ts";

/** Readers that are tried. */
const READERS = 21;

const ASKED = process.env["ALBERT_TEST_FUZZ"];

/**
 * How many inputs a reader is given: of bytes in memory thousands, of files on the disk hundreds, which take as long.
 * ALBERT_TEST_FUZZ says how many all readers are given together, each as many.
 */
const FUZZ_RUNS = {
  memory: ASKED === undefined ? 3000 : Math.ceil(Number(ASKED) / READERS),
  disk: ASKED === undefined ? 150 : Math.ceil(Number(ASKED) / READERS),
};

const scratch = scratchDirectory();
const heads: readonly Head[] = [{ kind: "classification", name: "c", problemType: "single-label", labels: ["a", "b"] }];
const model = tinyModel(heads);
const SLOWEST_MS = 5_000;
const TEXT = "Ab \u00e9\u0301 \u4e2d [MASK] \ud83d\ude00 \u200d x\ud800";

/** Reads an input, which must succeed or be refused by an error of ours with something to read, soon. */
async function readsOrRefuses(read: () => unknown): Promise<void> {
  const start = performance.now();
  try {
    await read();
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.message.length).toBeLessThan(20_000);
  }
  expect(performance.now() - start).toBeLessThan(SLOWEST_MS);
}

const check = (arbitrary: fc.Arbitrary<unknown>, read: (value: never) => unknown, numRuns = FUZZ_RUNS.memory) =>
  fc.assert(
    fc.asyncProperty(arbitrary, (value) => readsOrRefuses(() => read(value as never))),
    { numRuns },
  );
const checkOnDisk = (arbitrary: fc.Arbitrary<unknown>, read: (value: never) => unknown) =>
  check(arbitrary, read, FUZZ_RUNS.disk);

const json = (value: unknown) => Buffer.from(JSON.stringify(value) ?? "");
const tokenizes = (kind: VocabularyKind) => (bytes: Uint8Array) =>
  loadTokenizer({ kind, bytes, lowerCase: true }).tokenize(TEXT);

beforeAll(async () => {
  await exportHuggingFace(scratch("hf"), model);
  await exportTensorFlow(scratch("tf"), model);
  await writeModelDirectory(scratch("own"), model);
});

describe("a damaged file is read or refused, without a crash, at once", { timeout: 3_600_000 }, () => {
  const fileOf = (...path: [string, string]) => readFileSync(join(scratch(path[0]), path[1]));

  it("safetensors", () => check(mutatedBytes(fileOf("hf", "model.safetensors")), (bytes) => parseSafetensors(bytes)));

  it("the index of a TensorFlow checkpoint", () =>
    check(mutatedBytes(fileOf("tf", "model.ckpt-best.index")), (bytes) => readSortedTable(bytes, "x.index")));

  it("the whole of a TensorFlow checkpoint", () => {
    cpSync(scratch("tf"), scratch("tf2"), { recursive: true });
    return checkOnDisk(mutatedBytes(fileOf("tf", "model.ckpt-best.index")), (bytes) => {
      writeFileSync(join(scratch("tf2"), "model.ckpt-best.index"), bytes);
      return openCheckpoint(scratch("tf2"));
    });
  });

  it("TensorFlow's pointer file", () => {
    cpSync(scratch("tf"), scratch("tf3"), { recursive: true });
    return checkOnDisk(mutatedBytes(Buffer.from('model_checkpoint_path: "model.ckpt-best"\n')), (bytes) => {
      writeFileSync(join(scratch("tf3"), "checkpoint"), bytes);
      return openCheckpoint(scratch("tf3"));
    });
  });

  it("the index of several safetensors files", () => {
    cpSync(scratch("hf"), scratch("parts"), { recursive: true });
    const names = ["albert.pooler.weight", "albert.pooler.bias", "classifier.bias"];
    const index = { metadata: {}, weight_map: Object.fromEntries(names.map((name) => [name, "model.safetensors"])) };
    const path = join(scratch("parts"), "model.safetensors.index.json");
    return checkOnDisk(mutatedJson(index), (value) => {
      writeFileSync(path, json(value));
      return withShardedSafetensors(path, async (reader) => reader.read("classifier.bias"));
    });
  });

  it("config.json", () => {
    cpSync(scratch("hf"), scratch("config"), { recursive: true });
    const valid: unknown = JSON.parse(fileOf("hf", "config.json").toString("utf8"));
    return checkOnDisk(mutatedJson(valid), (value) => {
      writeFileSync(join(scratch("config"), "config.json"), json(value));
      return openCheckpoint(scratch("config"));
    });
  });

  it.each(["bert-span", "electra-choice", "distilbert-classification", "bert-trunk-sentences-mean"])(
    "config.json of another family (%s)",
    (name) => {
      const golden = join(BUNDLED_FIXTURES, "families", name);
      cpSync(golden, scratch(name), { recursive: true });
      const valid: unknown = JSON.parse(readFileSync(join(golden, "config.json"), "utf8"));
      return checkOnDisk(mutatedJson(valid), (value) => {
        writeFileSync(join(scratch(name), "config.json"), json(value));
        return openCheckpoint(scratch(name));
      });
    },
  );

  it.each(["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"])(
    "%s of sentence-transformers",
    (file) => {
      const golden = join(BUNDLED_FIXTURES, "families/bert-trunk-sentences-mean");
      const directory = scratch(`sentences ${file.replace("/", " ")}`);
      cpSync(golden, directory, { recursive: true });
      const valid: unknown = JSON.parse(readFileSync(join(golden, file), "utf8"));
      return checkOnDisk(mutatedJson(valid), (value) => {
        writeFileSync(join(directory, file), json(value));
        return openCheckpoint(directory);
      });
    },
  );

  it("labels", () =>
    check(
      mutatedJson({ id2label: { 0: "a", 1: "b" }, label2id: { a: 0, b: 1 }, num_labels: 2 }),
      (value: Record<string, unknown>) => labelsOfConfig(value, 2),
    ));

  it("a manifest", () => {
    const valid: unknown = JSON.parse(fileOf("own", "manifest.json").toString("utf8"));
    return check(mutatedJson(valid), (value) => parseManifest(json(value)));
  });

  it("names of tensors", () => {
    const part = fc.constantFrom(
      "module",
      "_orig_mod",
      "model",
      "albert",
      "embeddings",
      "word_embeddings",
      "weight",
      "",
    );
    const name = fc.array(part, { maxLength: 6 }).map((parts) => parts.join("."));
    return check(fc.uniqueArray(name, { maxLength: 12 }), (names: string[]) => {
      const entries = new Map(names.map((given) => [given, { dtype: "F32", shape: [1] }]));
      return unwrapNames(
        { name: "x", entries, read: async () => ({ shape: [1], data: new Float32Array(1) }) },
        "albert.",
      );
    });
  });

  it("vocab.txt", () => check(mutatedBytes(tinyVocabulary.bytes), tokenizes("wordpiece")));

  it("a SentencePiece model", () => {
    const pieces = readFileSync(new URL("../../support/models/pieces-8k.model", import.meta.url)).subarray(0, 4000);
    return check(mutatedBytes(pieces), tokenizes("sentencepiece"));
  });

  it("the bytes of a tokenizer.json", () =>
    check(mutatedBytes(json(tinyTokenizerJson("Unigram"))), tokenizes("tokenizer-json")));

  it.each(["Unigram", "WordPiece"] as const)("the parts of a tokenizer.json of a %s model", (type) =>
    check(mutatedJson(tinyTokenizerJson(type)), (value) => tokenizes("tokenizer-json")(json(value))),
  );
});
