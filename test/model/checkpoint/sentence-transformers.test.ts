import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../../src/model/checkpoint/open-checkpoint.ts";
import { BUNDLED_FIXTURES } from "../../support/fixtures.ts";
import { scratchDirectory } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();
const GOLDEN = join(BUNDLED_FIXTURES, "families/bert-trunk-sentences-mean");

/** A copy of the golden folder in which one JSON file is changed. */
function edited(name: string, file: string, edit: (json: never) => unknown): string {
  const directory = scratch(name);
  cpSync(GOLDEN, directory, { recursive: true });
  writeFileSync(
    join(directory, file),
    JSON.stringify(edit(JSON.parse(readFileSync(join(directory, file), "utf8")) as never)),
  );
  return directory;
}

type Modules = { type: string; path: string }[];

describe("a folder of sentence-transformers", () => {
  it("says pooling, scaling and length", async () => {
    const { encoding, maxSequenceLength, config } = await openCheckpoint(GOLDEN);
    expect(encoding).toEqual({ pooling: "mean", normalize: true });
    expect(maxSequenceLength).toBe(32);
    expect(config.maxPositionEmbeddings).toBe(40);
  });

  it("may hold its transformer in a folder, which opens by either path", async () => {
    const directory = edited("nested", "modules.json", ([transformer, ...rest]: Modules) => [
      { ...transformer, path: "0_Transformer" },
      ...rest,
    ]);
    mkdirSync(join(directory, "0_Transformer"));
    for (const file of [
      "config.json",
      "model.safetensors",
      "vocab.txt",
      "tokenizer_config.json",
      "sentence_bert_config.json",
    ]) {
      renameSync(join(directory, file), join(directory, "0_Transformer", file));
    }
    for (const path of [directory, join(directory, "0_Transformer")]) {
      const { encoding, maxSequenceLength } = await openCheckpoint(path);
      expect(encoding).toEqual({ pooling: "mean", normalize: true });
      expect(maxSequenceLength).toBe(32);
    }
  });

  it("has at most as many tokens as the model has positions, and as many where it says nothing", async () => {
    const file = "sentence_bert_config.json";
    const long = edited("long", file, (json: object) => ({ ...json, max_seq_length: 4_000 }));
    expect((await openCheckpoint(long)).maxSequenceLength).toBe(40);
    const silent = edited("silent", file, (json: object) => ({ ...json, max_seq_length: null }));
    expect((await openCheckpoint(silent)).maxSequenceLength).toBe(40);
  });

  it("may say its length in tokenizer_config.json alone, as newer versions do", async () => {
    const directory = edited("newer length", "sentence_bert_config.json", () => ({
      transformer_task: "feature-extraction",
    }));
    writeFileSync(
      join(directory, "tokenizer_config.json"),
      JSON.stringify({ do_lower_case: true, model_max_length: 20 }),
    );
    expect((await openCheckpoint(directory)).maxSequenceLength).toBe(20);
  });

  it("without modules.json is a plain model", async () => {
    const directory = edited("plain", "modules.json", (json) => json);
    rmSync(join(directory, "modules.json"));
    const { encoding, maxSequenceLength } = await openCheckpoint(directory);
    expect(encoding).toBeUndefined();
    expect(maxSequenceLength).toBe(40);
  });

  it("reads the pooling also by its newer name", async () => {
    const directory = edited("newer", "1_Pooling/config.json", () => ({
      word_embedding_dimension: 12,
      pooling_mode: "cls",
    }));
    expect((await openCheckpoint(directory)).encoding?.pooling).toBe("cls");
  });

  it.each<[string, string, (json: never) => unknown, RegExp]>([
    [
      "a dense layer",
      "modules.json",
      (modules: Modules) => [...modules.slice(0, 2), { type: "sentence_transformers.models.Dense", path: "2_Dense" }],
      /has a module Dense at 2_Dense; what is computed here is Transformer, Pooling and Normalize/,
    ],
    ["no pooling", "modules.json", (modules: Modules) => modules.slice(0, 1), /has no Pooling module/],
    [
      "word vectors",
      "modules.json",
      (modules: Modules) => [{ type: "sentence_transformers.models.WordEmbeddings", path: "0" }, ...modules.slice(1)],
      /begins with a module WordEmbeddings/,
    ],
    [
      "the largest value",
      "1_Pooling/config.json",
      (json: object) => ({ ...json, pooling_mode_mean_tokens: false, pooling_mode_max_tokens: true }),
      /pools by max_tokens; expected cls_token or mean_tokens alone/,
    ],
    [
      "two poolings",
      "1_Pooling/config.json",
      (json: object) => ({ ...json, pooling_mode_cls_token: true }),
      /pools by cls_token and mean_tokens/,
    ],
    [
      "a path elsewhere",
      "modules.json",
      (modules: Modules) => [{ ...modules[0], path: "../.." }],
      /expected paths of folders next to it/,
    ],
    ["no list", "modules.json", () => ({}), /expected a list of modules/],
    [
      "a length of a text",
      "sentence_bert_config.json",
      () => ({ max_seq_length: "long" }),
      /max_seq_length to be an integer/,
    ],
  ])("is refused for %s", async (name, file, edit, message) => {
    await expect(openCheckpoint(edited(`refused ${name}`, file, edit))).rejects.toThrow(message);
  });

  it("is refused where it lower-cases texts for a cased vocabulary", async () => {
    const directory = edited("cased", "sentence_bert_config.json", () => ({ do_lower_case: true }));
    writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify({ do_lower_case: false }));
    await expect(openCheckpoint(directory)).rejects.toThrow(/lower-cases texts for a vocabulary that keeps case/);
  });
});
