import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { exportHuggingFace, exportTensorFlow } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { createRandomModel, importCheckpoint } from "../../../src/model/checkpoint/import-checkpoint.ts";
import { openModelDirectory, verifyModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { type ModelContents, writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../../src/model/heads.ts";
import { pretrainingHeads, scratchDirectory, tinyModel, tinyVocabulary } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();

const heads: readonly Head[] = [
  { kind: "classification", name: "sentiment", problemType: "single-label", labels: ["neg", "pos"] },
  { kind: "classification", name: "topics", scope: "topics", problemType: "multi-label", labels: ["a", "b", "c"] },
  { kind: "span-answerability", name: "answer" },
  ...pretrainingHeads,
];

async function written(name: string, contents: Partial<ModelContents> = {}) {
  const directory = scratch(name);
  return { directory, ...(await writeModelDirectory(directory, { ...tinyModel(heads), ...contents })) };
}

describe("a model directory", () => {
  it("opens with what was written: configuration, heads, every weight, tokenizer, manifest", async () => {
    const contents: ModelContents = {
      ...tinyModel(heads),
      description: "for the test",
      maxSequenceLength: 6,
      metrics: { accuracy: 0.875 },
      lineage: { parent: "p", datasets: { train: "d" }, recipe: { epochs: 3 }, program: "0", jobId: "j" },
    };
    const { digest, manifest } = await writeModelDirectory(scratch("whole"), contents);
    const model = await openModelDirectory(scratch("whole"));
    expect(model.digest).toBe(digest);
    expect(model.manifest).toEqual(manifest);
    expect(model.manifest).toMatchObject({
      description: "for the test",
      maxSequenceLength: 6,
      metrics: { accuracy: 0.875 },
    });
    expect(model.manifest.lineage).toEqual(contents.lineage);
    expect(model.heads).toEqual(heads);
    expect(model.parameters).toEqual(contents.parameters);
    expect({ ...model.config, extra: {} }).toEqual({ ...contents.config, extra: {} });
    expect([...model.tokenizer.tokenize("A b").ids]).toEqual([5, 6]);
    expect(model.warnings).toEqual([]);
  });

  it("has the same bytes and digest for the same contents, and another digest for one other weight", async () => {
    const [a, b] = [await written("same-a"), await written("same-b")];
    for (const file of readdirSync(a.directory)) {
      expect(readFileSync(join(a.directory, file)).equals(readFileSync(join(b.directory, file))), file).toBe(true);
    }
    expect(a.digest).toBe(b.digest);
    const model = tinyModel(heads);
    model.parameters.get("output_bias")!.data[0]! += 1e-7;
    expect((await written("other", model)).digest).not.toBe(a.digest);
  });

  it("has a digest that its name and metrics do not enter, but its labels do", async () => {
    const { digest } = await written("identity-a");
    expect((await written("identity-b", { name: "x", metrics: { f1: 1 } })).digest).toBe(digest);
    const renamed = heads.map((head) => (head.name === "topics" ? { ...head, labels: ["a", "b", "d"] } : head));
    expect((await written("identity-c", { heads: renamed as Head[] })).digest).not.toBe(digest);
  });

  it("is never written over another, and leaves nothing behind when writing fails", async () => {
    await written("once");
    const before = readdirSync(dirname(scratch("x")));
    await expect(written("once")).rejects.toMatchObject({ code: "already-exists" });
    const incomplete = new Map(tinyModel(heads).parameters);
    incomplete.delete("output_bias");
    await expect(written("incomplete", { parameters: incomplete })).rejects.toThrow("output_bias is absent");
    expect(readdirSync(dirname(scratch("x")))).toEqual(before);
  });

  it("keeps heads apart: two that share variables, names or impossible labels are all reported", async () => {
    const clashing: readonly Head[] = [
      { kind: "multiple-choice", name: "a" },
      { kind: "classification", name: "a", problemType: "single-label", labels: ["x"] },
      { kind: "classification", name: "b/c", scope: "b.c", problemType: "single-label", labels: ["x", "x"] },
    ];
    const refused = writeModelDirectory(scratch("clash"), { ...tinyModel([]), heads: clashing });
    await expect(refused).rejects.toMatchObject({
      code: "invalid-input",
      violations: [
        { field: "heads[1].name" },
        { field: "heads[1].labels" },
        { field: "heads[1].scope" },
        { field: "heads[2].name" },
        { field: "heads[2].scope" },
        { field: "heads[2].labels" },
      ],
    });
  });
});

describe("a damaged model directory is refused, naming the file:", () => {
  it.each(["model.safetensors", "config.json", "vocab.txt", "tokenizer_config.json"])(
    "%s with any bit flipped, cut, or gone",
    async (file) => {
      const { directory } = await written(`damaged-${file}`);
      const path = join(directory, file);
      const bytes = readFileSync(path);
      for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 60)) {
        const damaged = Uint8Array.from(bytes);
        damaged[at]! ^= 1 << (at % 8);
        writeFileSync(path, damaged);
        await expect(openModelDirectory(directory)).rejects.toMatchObject({
          code: "corrupt",
          reason: "DIGEST_MISMATCH",
          message: expect.stringContaining(file),
        });
      }
      truncateSync(path, bytes.length - 1);
      await expect(openModelDirectory(directory)).rejects.toThrow(file);
      rmSync(path);
      await expect(openModelDirectory(directory)).rejects.toThrow(`${file} is missing`);
    },
  );

  it("a symbolic link in place of a file", async () => {
    const { directory } = await written("linked");
    cpSync(join(directory, "config.json"), scratch("outside.json"));
    rmSync(join(directory, "config.json"));
    symlinkSync(scratch("outside.json"), join(directory, "config.json"));
    await expect(openModelDirectory(directory)).rejects.toMatchObject({
      reason: "LINK_LEADS_OUTSIDE",
      message: expect.stringContaining("links may only lead to files inside it"),
    });
  });

  it.each<[string, (manifest: Record<string, object>) => unknown, RegExp]>([
    ["no JSON", () => "{", /manifest.json is not JSON/],
    ["a list", () => [], /not a JSON object/],
    ["another version", (m) => ({ ...m, formatVersion: 2 }), /formatVersion is 2/],
    [
      "a path out of the directory",
      (m) => ({ ...m, files: { ...m["files"], "../x": "0".repeat(64) } }),
      /file name "..\/x" is not allowed/,
    ],
    ["an absolute path", (m) => ({ ...m, files: { ...m["files"], "/etc/passwd": "0".repeat(64) } }), /is not allowed/],
    ["a file without digest", (m) => ({ ...m, files: { ...m["files"], x: "0" } }), /x has no sha256/],
    ["no weights", (m) => ({ ...m, files: {} }), /model.safetensors is not listed/],
    ["an unknown head", (m) => ({ ...m, heads: [{ kind: "tagger", name: "t" }] }), /heads\[0\] is of unknown kind/],
    [
      "labels that are numbers",
      (m) => ({ ...m, heads: [{ kind: "classification", name: "t", problemType: "single-label", labels: [1] }] }),
      /heads\[0\].labels/,
    ],
    [
      "clashing heads",
      (m) => ({
        ...m,
        heads: [
          { kind: "span", name: "s" },
          { kind: "span", name: "s2" },
        ],
      }),
      /already belongs to head s/,
    ],
    [
      "a head whose weights are not there",
      (m) => ({ ...m, heads: [{ kind: "span", name: "s" }] }),
      /qa_outputs.weight \[2, 6\] is missing/,
    ],
    ["no tokenizer", (m) => ({ ...m, tokenizer: {} }), /tokenizer needs/],
    [
      "a tokenizer elsewhere",
      (m) => ({ ...m, tokenizer: { ...m["tokenizer"], file: "other" } }),
      /tokenizer's file is not listed/,
    ],
  ])("a manifest with %s", async (name, edit, message) => {
    const { directory, manifest } = await written(`manifest ${name}`);
    const edited = edit(JSON.parse(JSON.stringify(manifest)));
    writeFileSync(join(directory, "manifest.json"), typeof edited === "string" ? edited : JSON.stringify(edited));
    const error = await openModelDirectory(directory).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AlbertError);
    expect(error).toMatchObject({ code: "corrupt", message: expect.stringMatching(message) });
  });

  it("verification alone finds the damage too", async () => {
    const { directory, digest } = await written("verified");
    expect((await verifyModelDirectory(directory)).digest).toBe(digest);
    writeFileSync(join(directory, "vocab.txt"), "x");
    await expect(verifyModelDirectory(directory)).rejects.toThrow(
      `vocab.txt has sha256 ${createHash("sha256").update("x").digest("hex")}`,
    );
  });
});

describe("a foreign directory", () => {
  it("opens as Hugging Face's or Google's with the same weights", async () => {
    const contents = tinyModel();
    await exportHuggingFace(scratch("foreign-hf"), contents);
    await exportTensorFlow(scratch("foreign-tf"), contents);
    const huggingFace = await openModelDirectory(scratch("foreign-hf"));
    const google = await openModelDirectory(scratch("foreign-tf"));
    expect(huggingFace.parameters).toEqual(contents.parameters);
    expect(google.parameters).toEqual(contents.parameters);
    expect(huggingFace.manifest.name).toBe("foreign-hf");
    expect(google.digest).not.toBe(huggingFace.digest);
    expect(JSON.parse(readFileSync(scratch("foreign-tf/albert_config.json"), "utf8"))).not.toHaveProperty(
      "architectures",
    );
  });

  it("takes the checkpoint that the checkpoint file names, then model.ckpt-best, then the highest step", async () => {
    await exportTensorFlow(scratch("many"), tinyModel());
    for (const step of [9, 10]) {
      for (const ending of [".index", ".data-00000-of-00001"]) {
        cpSync(scratch(`many/model.ckpt-best${ending}`), scratch(`many/model.ckpt-${step}${ending}`));
      }
    }
    const files = async () => Object.keys((await openModelDirectory(scratch("many"))).manifest.files);
    writeFileSync(scratch("many/checkpoint"), 'model_checkpoint_path: "/elsewhere/model.ckpt-9"\n');
    expect(await files()).toContain("model.ckpt-9.index");
    rmSync(scratch("many/checkpoint"));
    expect(await files()).toContain("model.ckpt-best.index");
    rmSync(scratch("many/model.ckpt-best.index"));
    expect(await files()).toContain("model.ckpt-10.index");
  });

  it("opens any file of a TensorFlow checkpoint, and a TF-Hub module", async () => {
    await exportTensorFlow(scratch("parts"), tinyModel());
    for (const ending of ["", ".index", ".data-00000-of-00001"]) {
      expect((await openModelDirectory(scratch(`parts/model.ckpt-best${ending}`))).heads).toHaveLength(2);
    }
    mkdirSync(scratch("hub/variables"), { recursive: true });
    mkdirSync(scratch("hub/assets"));
    for (const ending of [".index", ".data-00000-of-00001"]) {
      cpSync(scratch(`parts/model.ckpt-best${ending}`), scratch(`hub/variables/variables${ending}`));
    }
    for (const file of ["albert_config.json", "vocab.txt"])
      cpSync(scratch(`parts/${file}`), scratch(`hub/assets/${file}`));
    expect((await openModelDirectory(scratch("hub"))).manifest.name).toBe("hub");
  });

  it("says what it misses", async () => {
    const empty = scratch("empty");
    mkdirSync(empty);
    await expect(openModelDirectory(empty)).rejects.toThrow(
      "expected model.safetensors, model.safetensors.index.json or model.ckpt-*.index",
    );
    writeFileSync(join(empty, "pytorch_model.bin"), "");
    await expect(openModelDirectory(empty)).rejects.toThrow("pickled and Keras weights are never read");
    await expect(openModelDirectory(scratch("absent"))).rejects.toThrow("absent is no model");
    await exportHuggingFace(scratch("lacking"), { ...tinyModel(), vocabulary: undefined });
    await expect(openModelDirectory(scratch("lacking"))).rejects.toThrow("no vocabulary");
    rmSync(scratch("lacking/config.json"));
    await expect(openModelDirectory(scratch("lacking"))).rejects.toThrow("name it with --config");
  });

  it("is refused when its vocabulary has ids without an embedding", async () => {
    const larger = { ...tinyVocabulary, bytes: Buffer.concat([tinyVocabulary.bytes, Buffer.from("d\n")]) };
    await exportHuggingFace(scratch("larger"), { ...tinyModel(), vocabulary: larger });
    await expect(openModelDirectory(scratch("larger"))).rejects.toMatchObject({ reason: "VOCABULARY_MISMATCH" });
  });

  it("is not exported to Google's code where that would compute something else", async () => {
    const { config, ...rest } = tinyModel();
    for (const [change, message] of [
      [{ hiddenAct: "gelu_erf" }, /exact-erf/],
      [{ layerNormEps: 1e-5 }, /layer_norm_eps/],
      [{ embeddingSize: 6, embeddingProjection: true }, /embedding projection/],
    ] as const) {
      await expect(exportTensorFlow(scratch("refused"), { ...rest, config: { ...config, ...change } })).rejects.toThrow(
        message,
      );
    }
  });
});

describe("importing", () => {
  it("makes a directory of ours and says what was read", async () => {
    const contents = tinyModel();
    await exportTensorFlow(scratch("to-import"), contents);
    const { digest, checkpoint } = await importCheckpoint(scratch("to-import"), scratch("imported"), { name: "i" });
    expect(checkpoint.loaded).toHaveLength(contents.parameters.size);
    expect(checkpoint.unused).toEqual(["global_step"]);
    const model = await openModelDirectory(scratch("imported"));
    expect(model.parameters).toEqual(contents.parameters);
    expect(model.digest).toBe(digest);
    await expect(importCheckpoint(scratch("imported"), scratch("again"), { name: "i" })).rejects.toThrow("already");
  });

  it("keeps the exact-erf gelu through Hugging Face's spelling of it", async () => {
    const { config, ...rest } = tinyModel();
    await writeModelDirectory(scratch("erf"), { ...rest, config: { ...config, hiddenAct: "gelu_erf" } });
    expect(JSON.parse(readFileSync(scratch("erf/config.json"), "utf8"))["hidden_act"]).toBe("gelu_python");
    expect((await openModelDirectory(scratch("erf"))).config.hiddenAct).toBe("gelu_erf");
  });

  it("starts a model from random values of a seed", async () => {
    writeFileSync(scratch("v.txt"), tinyVocabulary.bytes);
    const options = { architecture: "2x128", heads: pretrainingHeads, seed: 1, vocabulary: scratch("v.txt") };
    const one = await createRandomModel(scratch("random-1"), { name: "r" }, options);
    const same = await createRandomModel(scratch("random-2"), { name: "r" }, options);
    const other = await createRandomModel(scratch("random-3"), { name: "r" }, { ...options, seed: 2 });
    expect(one.config).toMatchObject({ vocabSize: 9, hiddenSize: 128, numHiddenLayers: 2 });
    expect([same.digest === one.digest, other.digest === one.digest]).toEqual([true, false]);
    await expect(
      createRandomModel(scratch("random-4"), { name: "r" }, { ...options, architecture: "tiny" }),
    ).rejects.toThrow("tiny is not one of base");
  });
});
