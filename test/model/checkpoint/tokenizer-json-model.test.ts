import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { exportHuggingFace, exportTensorFlow } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { importCheckpoint } from "../../../src/model/checkpoint/import-checkpoint.ts";
import { openCheckpoint } from "../../../src/model/checkpoint/open-checkpoint.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { scratchDirectory, tinyModel } from "../../support/models/tiny-model.ts";
import { tinyTokenizerJson } from "../../support/models/tiny-tokenizer-json.ts";

const scratch = scratchDirectory();
const model = tinyModel();
const five = scratch("five");

/** The tiny vocabulary as transformers 5 saves it. */
const tokenizer = tinyTokenizerJson("WordPiece");

beforeAll(async () => {
  await exportHuggingFace(five, model);
  for (const file of ["vocab.txt", "tokenizer_config.json"]) rmSync(join(five, file));
  writeFileSync(join(five, "tokenizer.json"), JSON.stringify(tokenizer));
});

describe("a model whose vocabulary is a tokenizer.json", () => {
  it("opens, imports, and opens again as a directory of ours", async () => {
    const foreign = await openModelDirectory(five);
    expect([...foreign.tokenizer.tokenize("AB [MASK] c").ids]).toEqual([5, 7, 4, 8]);
    await importCheckpoint(five, scratch("own"), { name: "own" });
    const own = await openModelDirectory(scratch("own"));
    expect(own.manifest.tokenizer).toEqual({ file: "tokenizer.json", kind: "tokenizer-json", lowerCase: true });
    expect(own.tokenizer.digest).toBe(foreign.tokenizer.digest);
    expect(own.parameters).toEqual(model.parameters);
  });

  it("is exported for transformers, and refused for Google's code, which could not read it", async () => {
    const opened = await openModelDirectory(five);
    await exportHuggingFace(scratch("back"), opened);
    const back = await openModelDirectory(scratch("back"));
    expect(back.tokenizer.digest).toBe(opened.tokenizer.digest);
    await expect(exportTensorFlow(scratch("google"), opened)).rejects.toMatchObject({
      reason: "EXPORT_UNFAITHFUL",
      message: expect.stringContaining("export it with --format hf"),
    });
  });

  it("is told from spiece.model and vocab.txt, which come first", async () => {
    cpSync(five, scratch("both"), { recursive: true });
    writeFileSync(join(scratch("both"), "vocab.txt"), model.vocabulary.bytes);
    expect((await openCheckpoint(scratch("both"))).vocabulary?.kind).toBe("wordpiece");
    const named = await openCheckpoint(scratch("both"), { vocabulary: join(five, "tokenizer.json") });
    expect(named.vocabulary?.kind).toBe("tokenizer-json");
  });

  it("keeps to its own casing, and to the rows of the embeddings", async () => {
    await expect(openCheckpoint(five, { lowerCase: false })).rejects.toThrow(/lower-cases text by its own normalizer/);
    cpSync(five, scratch("more"), { recursive: true });
    const more = { ...tokenizer, added_tokens: [{ id: 9, content: "<more>", special: true }] };
    writeFileSync(join(scratch("more"), "tokenizer.json"), JSON.stringify(more));
    await expect(openModelDirectory(scratch("more"))).rejects.toThrow(
      /has 10 pieces, but the model has embeddings for 9/,
    );
  });
});
