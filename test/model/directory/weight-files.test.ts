import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { serializeManifest } from "../../../src/model/directory/manifest.ts";
import { openModelDirectory, verifyModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../../src/model/heads.ts";
import { scratchDirectory, tinyModel } from "../../support/models/tiny-model.ts";

const scratch = scratchDirectory();
const heads: readonly Head[] = [
  { kind: "classification", name: "mood", problemType: "single-label", labels: ["down", "up"] },
];

async function apart(name: string, contents = tinyModel(heads)) {
  const directory = scratch(name);
  const { digest } = await writeModelDirectory(directory, { ...contents, embeddingsApart: true });
  return { directory, digest };
}

describe("a model directory with its word embeddings apart", () => {
  it("opens with the same weights as one with a single file", async () => {
    const single = scratch("single");
    await writeModelDirectory(single, tinyModel(heads));
    const { directory, digest } = await apart("apart");
    const [one, two] = [await openModelDirectory(single), await openModelDirectory(directory)];
    expect(two.parameters).toEqual(one.parameters);
    expect(two.digest).toBe(digest);
    expect(readdirSync(directory).filter((file) => file.includes("safetensors"))).toEqual([
      "embeddings.safetensors",
      "layers.safetensors",
      "model.safetensors.index.json",
    ]);
  });

  it("has its embeddings' file in common with another model that differs in its layers and heads", async () => {
    const other = tinyModel([{ ...heads[0]!, labels: ["x", "y", "z"] } as Head]);
    other.parameters.get("bert/pooler/dense/bias")!.data[0]! += 1;
    other.parameters.set(
      "bert/embeddings/word_embeddings",
      tinyModel(heads).parameters.get("bert/embeddings/word_embeddings")!,
    );
    const [a, b] = [await apart("shared-a"), await apart("shared-b", other)];
    const bytes = (directory: string, file: string) => readFileSync(join(directory, file));
    const file = "embeddings.safetensors";
    expect(bytes(a.directory, file).equals(bytes(b.directory, file))).toBe(true);
    expect(bytes(a.directory, "layers.safetensors").equals(bytes(b.directory, "layers.safetensors"))).toBe(false);
    expect(a.digest).not.toBe(b.digest);
  });

  it("is opened without its manifest too, as Hugging Face's library writes large models", async () => {
    const { directory } = await apart("foreign");
    const own = await openModelDirectory(directory);
    rmSync(join(directory, "manifest.json"));
    expect((await openModelDirectory(directory)).parameters).toEqual(own.parameters);
  });

  it("is refused when a file is damaged or gone", async () => {
    for (const file of ["embeddings.safetensors", "layers.safetensors", "model.safetensors.index.json"]) {
      const { directory } = await apart(`damaged-${file}`);
      const bytes = readFileSync(join(directory, file));
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(join(directory, file), bytes);
      await expect(openModelDirectory(directory)).rejects.toMatchObject({ reason: "DIGEST_MISMATCH" });
      rmSync(join(directory, file));
      await expect(openModelDirectory(directory)).rejects.toThrow(`${file} is missing`);
    }
  });

  it("is refused when its index names a file of which the manifest has no digest", async () => {
    const { directory } = await apart("unlisted");
    const { manifest } = await verifyModelDirectory(directory);
    const { "layers.safetensors": _, ...files } = manifest.files;
    writeFileSync(join(directory, "manifest.json"), serializeManifest({ ...manifest, files }));
    await expect(openModelDirectory(directory)).rejects.toMatchObject({
      reason: "MANIFEST_CORRUPT",
      message: expect.stringContaining("layers.safetensors"),
    });
  });
});
