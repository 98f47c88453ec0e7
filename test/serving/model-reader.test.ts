import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAlbertConfig } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { openModelDirectory } from "../../src/model/open-model-directory.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import { writeModelDirectory } from "../../src/model/write-model-directory.ts";
import { ModelReader } from "../../src/serving/model-reader.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-reader-"));
const path = join(directory, "model");

beforeAll(async () => {
  const { config } = parseAlbertConfig({
    vocab_size: 6,
    embedding_size: 4,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 8,
    max_position_embeddings: 16,
  });
  await writeModelDirectory(path, {
    name: "tiny",
    config,
    heads: [],
    parameters: initialiseParameters(modelParameters(config, []), 1),
    vocabulary: { kind: "wordpiece", lowerCase: true, bytes: Buffer.from("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na") },
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("ModelReader", () => {
  it("opens the same model as on this thread, and shares one tokenizer among versions", async () => {
    const reader = new ModelReader();
    const { tokenizer, ...model } = await reader.open(path);
    const { tokenizer: expectedTokenizer, ...expected } = await openModelDirectory(path);
    expect({ ...model, vocabulary: { ...model.vocabulary, bytes: Buffer.from(model.vocabulary.bytes) } }).toEqual(
      expected,
    );
    expect(tokenizer.digest).toBe(expectedTokenizer.digest);
    expect((await reader.open(path)).tokenizer).toBe(tokenizer);
  });

  it("passes refusals on with their reason", async () => {
    const broken = join(directory, "broken");
    cpSync(path, broken, { recursive: true });
    const weights = join(broken, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    const reader = new ModelReader();
    await expect(reader.open(broken)).rejects.toMatchObject({ code: "corrupt", reason: "DIGEST_MISMATCH" });
    await expect(reader.open(join(directory, "absent"))).rejects.toMatchObject({ code: "not-found" });
  });
});
