import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAlbertConfig } from "../../../src/model/config.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { type Engine, POOLED_OUTPUT } from "../../../src/runtime/engine.ts";
import { createEngine, openEngine } from "../../../src/runtime/packed-engine.ts";
import { DeviceTiming } from "../../../src/runtime/profile/device-timing.ts";
import { ModelReader } from "../../../src/serving/models/reader.ts";

const TARGET = { devices: ["cpu"], precision: "fp32" } as const;
const directory = mkdtempSync(join(tmpdir(), "albert-reader-"));
const path = join(directory, "model");

const TINY = {
  vocab_size: 6,
  embedding_size: 4,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 8,
  max_position_embeddings: 16,
};

beforeAll(async () => {
  const { config } = parseAlbertConfig(TINY);
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
    const { tokenizer, vocabulary, remove, ...model } = await reader.prepare(path, TARGET);
    const {
      tokenizer: expectedTokenizer,
      vocabulary: expectedVocabulary,
      parameters: _,
      ...expected
    } = await openModelDirectory(path);
    expect(model).toMatchObject(expected);
    expect(vocabulary).toEqual({ ...expectedVocabulary, bytes: new Uint8Array(expectedVocabulary.bytes) });
    expect(tokenizer.digest).toBe(expectedTokenizer.digest);
    const again = await reader.prepare(path, TARGET);
    expect(again.tokenizer).toBe(tokenizer);
    await Promise.all([remove(), again.remove()]);
  });

  it("prepares a model for engines without a weight reaching this thread, and deletes its files when told to", async () => {
    const model = await new ModelReader().prepare(path, TARGET);
    expect(model).toMatchObject({ device: "cpu", precision: "fp32" });
    expect(model).not.toHaveProperty("parameters");
    const { parameters } = await openModelDirectory(path);
    const bytes = [...parameters.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(model.fileBytes).toBeGreaterThan(bytes);
    const sequence = { inputIds: Int32Array.of(2, 5, 3), tokenTypeIds: new Int32Array(3), outputs: [POOLED_OUTPUT] };
    const run = async (opening: Promise<Engine>) => {
      const engine = await opening;
      const { outputs } = await engine.run([sequence]);
      await engine.close();
      return outputs;
    };
    const settings = { threads: 1, calibrationMs: 0 };
    const expected = await run(createEngine({ ...model, parameters }, { device: "cpu", ...settings }));
    for (let engines = 0; engines < 2; engines++) expect(await run(openEngine(model, settings))).toEqual(expected);
    expect(existsSync(model.modelPath)).toBe(true);
    await model.remove();
    expect(existsSync(dirname(model.modelPath))).toBe(false);
  });

  it("keeps of several devices the one that is chosen, and prepares models of the same shape for that one alone", async () => {
    const opened: string[] = [];
    const files: string[] = [];
    const timing = new DeviceTiming({
      openEngine: async ({ device, modelPath }) => {
        opened.push(device);
        files.push(modelPath);
        const cost = { tokens: 1, paddedTokens: 1, assembleMs: 0, runMs: device === "cuda" ? 1 : 2 };
        const run = async () => ({ outputs: [], cost });
        return { device, tokenBudget: 1, predictMs: () => 0, run, close: async () => {} };
      },
    });
    const reader = new ModelReader(() => false, timing);
    const both = { devices: ["cpu", "cuda"], precision: "fp32" } as const;
    const first = await reader.prepare(path, both);
    expect([first.device, ...opened]).toEqual(["cuda", "cpu", "cuda"]);
    expect(files.map((file) => existsSync(file))).toEqual([false, true]);
    const second = await reader.prepare(path, both);
    expect([second.device, ...opened]).toEqual(["cuda", "cpu", "cuda"]);
    await Promise.all([first.remove(), second.remove()]);
    expect(existsSync(files[1]!)).toBe(false);
    reader.close();
  });

  it("leaves no file of a model whose devices all refuse it", async () => {
    const files: string[] = [];
    const openEngine = async ({ modelPath }: { modelPath: string }) => {
      files.push(modelPath);
      throw new Error("no device runs this");
    };
    const reader = new ModelReader(() => false, new DeviceTiming({ openEngine }));
    const both = { devices: ["cpu", "cuda"], precision: "fp32" } as const;
    await expect(reader.prepare(path, both)).rejects.toThrow("no device runs this");
    expect(files.map((file) => existsSync(file))).toEqual([false, false]);
    reader.close();
  });

  it("refuses a model with fewer embeddings than its vocabulary has pieces, also where the tokenizer is known", async () => {
    const reader = new ModelReader();
    const { remove } = await reader.prepare(path, TARGET);
    const short = join(directory, "short");
    const { manifest, vocabulary } = await openModelDirectory(path);
    const { config } = parseAlbertConfig({ ...TINY, vocab_size: 5 });
    const parameters = initialiseParameters(modelParameters(config, []), 1);
    await writeModelDirectory(short, { name: manifest.name, config, heads: [], parameters, vocabulary });
    for (const fresh of [reader, new ModelReader()]) {
      await expect(fresh.prepare(short, TARGET)).rejects.toMatchObject({ reason: "VOCABULARY_MISMATCH" });
    }
    await remove();
  });

  it("passes refusals on with their reason", async () => {
    const broken = join(directory, "broken");
    cpSync(path, broken, { recursive: true });
    const weights = join(broken, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    const reader = new ModelReader();
    await expect(reader.prepare(broken, TARGET)).rejects.toMatchObject({ code: "corrupt", reason: "DIGEST_MISMATCH" });
    await expect(reader.prepare(join(directory, "absent"), TARGET)).rejects.toMatchObject({ code: "not-found" });
  });
});
