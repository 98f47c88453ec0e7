import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ArrayTensor } from "../../../src/model/checkpoint/checkpoint-reader.ts";
import { exportHuggingFace, exportTensorFlow } from "../../../src/model/checkpoint/export-checkpoint.ts";
import { openCheckpoint } from "../../../src/model/checkpoint/open-checkpoint.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { readSafetensors } from "../../../src/model/formats/safetensors.ts";
import { serializeSafetensors } from "../../../src/model/formats/safetensors-writer.ts";
import type { Head } from "../../../src/model/heads.ts";
import { scratchDirectory, tinyModel } from "../../support/models/tiny-model.ts";
import { float64File } from "../formats/float64-file.ts";

const scratch = scratchDirectory();
const heads: readonly Head[] = [
  { kind: "classification", name: "classification", problemType: "single-label", labels: ["no", "yes"] },
];
const model = tinyModel(heads);
const plain = scratch("plain");
const google = scratch("google");

beforeAll(async () => {
  await exportHuggingFace(plain, model);
  await exportTensorFlow(google, model);
});

/** A copy of the plain Hugging Face directory, whose tensors `edit` may rename, add or take away. */
async function edited(name: string, edit: (tensors: Map<string, ArrayTensor>) => Map<string, ArrayTensor>) {
  const directory = scratch(name);
  cpSync(plain, directory, { recursive: true });
  const { tensors } = await readSafetensors(join(plain, "model.safetensors"));
  writeFileSync(join(directory, "model.safetensors"), serializeSafetensors(edit(new Map(tensors))));
  return directory;
}

const renamed = (rename: (name: string) => string) => (tensors: Map<string, ArrayTensor>) =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));

/** The plain directory with its weights in two files and an index. `edit` changes what each file and the index hold. */
async function sharded(
  name: string,
  edit: (parts: Map<string, ArrayTensor>[], index: Record<string, unknown>) => void = () => {},
) {
  const directory = scratch(name);
  cpSync(plain, directory, { recursive: true });
  rmSync(join(directory, "model.safetensors"));
  const all = [...(await readSafetensors(join(plain, "model.safetensors"))).tensors];
  const parts = [new Map(all.slice(0, 7)), new Map(all.slice(7))];
  const file = (part: number) => `model-0000${part + 1}-of-00002.safetensors`;
  const map = Object.fromEntries(parts.flatMap((part, i) => [...part.keys()].map((tensor) => [tensor, file(i)])));
  const index: Record<string, unknown> = { metadata: { total_size: 1 }, weight_map: map };
  edit(parts, index);
  parts.forEach((part, i) => {
    writeFileSync(join(directory, file(i)), serializeSafetensors(part));
  });
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify(index));
  return directory;
}

describe("weights in several safetensors files", () => {
  it("open as one checkpoint, by the directory, the index or any of the files", async () => {
    const directory = await sharded("sharded");
    for (const path of ["", "model.safetensors.index.json", "model-00002-of-00002.safetensors"]) {
      const { parameters, warnings } = await openCheckpoint(join(directory, path));
      expect(parameters).toEqual(model.parameters);
      expect(warnings).toEqual([]);
    }
    const { manifest } = await openModelDirectory(directory);
    expect(Object.keys(manifest.files).filter((file) => file.startsWith("model"))).toHaveLength(3);
  });

  const word = "albert.embeddings.word_embeddings.weight";
  it.each<[string, Parameters<typeof sharded>[1], RegExp]>([
    [
      "a tensor that no file holds",
      (_, index) => Object.assign(index["weight_map"] as object, { more: "model-00001-of-00002.safetensors" }),
      /missing from the files: more \(model-00001-of-00002.safetensors\)/,
    ],
    [
      "a tensor in two files",
      (parts) => void parts[1]!.set(word, { shape: [9, 4], data: new Float32Array(36) }),
      /in two files: albert.embeddings.word_embeddings.weight \(in model-00001-of-00002.safetensors and model-00002/,
    ],
    [
      "a tensor that the index does not list",
      (parts) => void parts[1]!.set("stray", { shape: [1], data: new Float32Array(1) }),
      /not where the index has them: stray \(in model-00002-of-00002.safetensors\)/,
    ],
    [
      "a tensor in the other file",
      (_, index) => Object.assign(index["weight_map"] as object, { [word]: "model-00002-of-00002.safetensors" }),
      /word_embeddings.weight \(in model-00001-of-00002.safetensors; the index says model-00002/,
    ],
    [
      "a file elsewhere",
      (_, index) => Object.assign(index["weight_map"] as object, { [word]: "../model.safetensors" }),
      /expected the name of a .safetensors file next to the index/,
    ],
    ["no map", (_, index) => void delete index["weight_map"], /expected an object weight_map .* got none/],
  ])("are refused for %s", async (name, edit, message) => {
    await expect(openCheckpoint(await sharded(name.replaceAll(" ", "-"), edit))).rejects.toThrow(message);
  });

  it("open from a cache of Hugging Face's library, where every file is a link out of its directory", async () => {
    const files = await sharded("cached");
    const cache = scratch("models--me--albert");
    const snapshot = join(cache, "snapshots/0f3a");
    mkdirSync(join(cache, "blobs"), { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    for (const [i, name] of readdirSync(files).entries()) {
      cpSync(join(files, name), join(cache, "blobs", `b${i}`));
      symlinkSync(`../../blobs/b${i}`, join(snapshot, name));
    }
    expect((await openCheckpoint(snapshot)).parameters).toEqual(model.parameters);
    await expect(openCheckpoint(cache)).rejects.toThrow(
      /cache of Hugging Face's library; name a directory in its snap/,
    );
  });

  it("are refused naming every file that is absent", async () => {
    const directory = await sharded("absent");
    rmSync(join(directory, "model-00001-of-00002.safetensors"));
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /names 2 files, of which 1 are not .*: model-00001-of-00002/,
    );
    rmSync(join(directory, "model.safetensors.index.json"));
    await expect(openCheckpoint(directory)).rejects.toThrow(/but not model.safetensors.index.json; copy that too/);
  });
});

describe("names that a wrapper changed", () => {
  it.each([
    ["module.", (name: string) => `module.${name}`],
    ["_orig_mod.", (name: string) => `_orig_mod.${name}`],
    ["model.", (name: string) => `model.${name}`],
    ["module._orig_mod.", (name: string) => `module._orig_mod.${name}`],
    ["model._orig_mod.module.", (name: string) => `model._orig_mod.module.${name}`],
    ["a trunk compiled alone", (name: string) => name.replace(/^albert\./, "albert._orig_mod.")],
    ["sharded layers", (name: string) => name.replace("albert_layers.0.", "albert_layers.0._fsdp_wrapped_module.")],
  ])("lose %s, which is said", async (name, rename) => {
    const { parameters, warnings } = await openCheckpoint(await edited(`wrapped ${name}`, renamed(rename)));
    expect(parameters).toEqual(model.parameters);
    expect(warnings).toEqual([expect.stringMatching(/names lose .+, which a wrapper put there/)]);
  });

  it("take the gamma and beta of old files, which is said", async () => {
    const old = renamed((name) => name.replace(/(LayerNorm|layer_norm)\.weight/, "$1.gamma"));
    const { parameters, warnings } = await openCheckpoint(await edited("old", old));
    expect(parameters).toEqual(model.parameters);
    expect(warnings).toEqual([expect.stringMatching(/end in gamma or beta/)]);
  });

  it("are refused where only some tensors have the prefix, where two models lie side by side, and where two become one", async () => {
    const some = await edited(
      "some",
      renamed((name) => (name.startsWith("classifier") ? name : `model.${name}`)),
    );
    await expect(openCheckpoint(some)).rejects.toThrow(/begin with model\. .*these do not: classifier.*alone/);
    const both = await edited(
      "both",
      (tensors) => new Map([...renamed((n) => `student.${n}`)(tensors), ...renamed((n) => `teacher.${n}`)(tensors)]),
    );
    await expect(openCheckpoint(both)).rejects.toThrow(/2 models, below student\., teacher\./);
    const twice = await edited(
      "twice",
      (tensors) => new Map([...tensors, ["module.classifier.bias", tensors.get("classifier.bias")!]]),
    );
    await expect(openCheckpoint(twice)).rejects.toThrow(/are both classifier.bias without what wrappers add/);
  });
});

describe("float64 weights", () => {
  it("are narrowed, and it is said whether that rounds", async () => {
    const directory = await edited("wide", (tensors) => tensors);
    const file = join(directory, "model.safetensors");
    writeFileSync(file, float64File(await readSafetensors(file)));
    const exact = await openCheckpoint(directory);
    expect(exact.parameters).toEqual(model.parameters);
    expect(exact.warnings).toEqual([expect.stringMatching(/tensors as float64; .* every value stays as it is/)]);
    writeFileSync(
      file,
      float64File(await readSafetensors(join(plain, "model.safetensors")), { "classifier.bias": 0.1 }),
    );
    const rounded = await openCheckpoint(directory);
    expect(rounded.warnings).toEqual([expect.stringMatching(/2 values are rounded to the nearest one/)]);
    writeFileSync(
      file,
      float64File(await readSafetensors(join(plain, "model.safetensors")), { "classifier.bias": 1e39 }),
    );
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /classifier.bias .* element 0 .* beyond the range of float32/,
    );
  });

  it("are the one widened type: integers as weights are refused with what to do", async () => {
    const directory = await edited("integers", (tensors) =>
      tensors.set("classifier.bias", { shape: [2], data: new BigInt64Array(2) }),
    );
    await expect(openCheckpoint(directory)).rejects.toThrow(/classifier.bias holds I64, but weights are floats; save/);
  });
});

describe("what a checkpoint says of itself", () => {
  it("must be of a family that opens; another type is named before anything is compared", async () => {
    const directory = await edited("bert", (tensors) => tensors);
    const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8")) as object;
    writeFileSync(join(directory, "config.json"), JSON.stringify({ ...config, model_type: "roberta", hidden_size: 7 }));
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /^config.json says model_type "roberta"; what opens here is albert, bert, electra, distilbert, and that is none: its positions/,
    );
  });

  it("is followed to the checkpoint that TensorFlow's pointer names, and to no other", async () => {
    const directory = scratch("pointed");
    cpSync(google, directory, { recursive: true });
    const point = (text: string) => writeFileSync(join(directory, "checkpoint"), text);
    point(`model_checkpoint_path: "/other/machine/model.ckpt-best"\n`);
    expect((await openCheckpoint(directory)).location.weights).toBe(join(directory, "model.ckpt-best"));
    point(`model_checkpoint_path: "model.ckpt-900"\nall_model_checkpoint_paths: "model.ckpt-best"\n`);
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /the file checkpoint names model.ckpt-900, but model.ckpt-900.index is not next to it; model.ckpt-best is;/,
    );
    point("");
    await expect(openCheckpoint(directory)).rejects.toThrow(/names no model_checkpoint_path/);
    renameSync(join(directory, "model.ckpt-best.index"), join(directory, "kept"));
    point(`model_checkpoint_path: 'model.ckpt-best'`);
    await expect(openCheckpoint(directory)).rejects.toThrow(/names model.ckpt-best.*; no checkpoint is;/);
  });
});

describe("symbolic links in a model directory", () => {
  /** A model directory as Kubernetes mounts it. */
  async function mounted(name: string): Promise<string> {
    await writeModelDirectory(join(scratch(name), "..2026_01"), model);
    symlinkSync("..2026_01", join(scratch(name), "..data"));
    for (const file of ["config.json", "manifest.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]) {
      symlinkSync(`..data/${file}`, join(scratch(name), file));
    }
    return scratch(name);
  }

  it("are followed as long as they stay inside, as Kubernetes mounts volumes", async () => {
    const { digest } = await writeModelDirectory(scratch("direct"), model);
    const directory = await mounted("volume");
    expect((await openModelDirectory(directory)).digest).toBe(digest);
  });

  it("are followed into the blobs of a Hugging Face cache", async () => {
    const snapshot = join(scratch("models--me--tiny"), "snapshots", "abc");
    const blobs = join(scratch("models--me--tiny"), "blobs");
    await writeModelDirectory(snapshot, model);
    mkdirSync(blobs);
    renameSync(join(snapshot, "config.json"), join(blobs, "1"));
    symlinkSync("../../blobs/1", join(snapshot, "config.json"));
    expect((await openModelDirectory(snapshot)).manifest.name).toBe("tiny");
  });

  it("are refused where they lead out, and where they lead nowhere", async () => {
    const directory = await mounted("leaving");
    writeFileSync(scratch("secret"), "{}");
    rmSync(join(directory, "..2026_01", "config.json"));
    symlinkSync("../../secret", join(directory, "..2026_01", "config.json"));
    await expect(openModelDirectory(directory)).rejects.toThrow(/config.json is a symbolic link that leads out/);
    rmSync(join(directory, "..2026_01", "config.json"));
    symlinkSync("nothing", join(directory, "..2026_01", "config.json"));
    await expect(openModelDirectory(directory)).rejects.toThrow(/config.json is a symbolic link to nothing/);
  });
});
