import { describe, expect, it } from "vitest";
import { HEAD_CHOICES } from "../../src/model/checkpoint/infer-heads.ts";
import { huggingFaceConfig } from "../../src/model/directory/hugging-face-config.ts";
import { parseManifest, serializeManifest } from "../../src/model/directory/manifest.ts";
import { HEAD_KINDS, HEADS, type Head, isHeadKind } from "../../src/model/heads.ts";
import { headParameters } from "../../src/model/parameters.ts";
import { tinyConfig, tinyVocabulary } from "../support/models/tiny-model.ts";

const headOf = (kind: (typeof HEAD_KINDS)[number]): Head =>
  kind === "classification"
    ? { kind, name: kind, problemType: "single-label", labels: ["a", "b"] }
    : { kind, name: kind };

describe("every kind of head", () => {
  it.each(HEAD_KINDS)("%s stands in a manifest, and can be asked for when a checkpoint is imported", (kind) => {
    const heads = [headOf(kind)];
    const digest = "0".repeat(64);
    const manifest = serializeManifest({
      formatVersion: 1,
      name: "one",
      heads,
      tokenizer: { file: "vocab.txt", kind: "wordpiece", lowerCase: true },
      maxSequenceLength: 8,
      files: { "config.json": digest, "model.safetensors": digest, "vocab.txt": digest },
    });
    expect(parseManifest(manifest).heads).toEqual(heads);
    expect(HEAD_CHOICES).toContain(kind);
    expect(isHeadKind(kind)).toBe(true);
  });

  it.each(HEAD_KINDS)("%s has variables of its own exactly where the table says so", (kind) => {
    const names = (of: Head) => headParameters(tinyConfig(), of).map(({ name }) => name);
    const others = new Set(HEAD_KINDS.filter((other) => other !== kind).flatMap((other) => names(headOf(other))));
    const shared = names(headOf(kind)).some((name) => others.has(name));
    expect(shared ? "shared" : "own").toBe(HEADS[kind].variables);
  });

  it.each(HEAD_KINDS)("%s names its class of Hugging Face's library, or the trunk's", (kind) => {
    const { architectures } = huggingFaceConfig(tinyConfig(), [headOf(kind)], tinyVocabulary);
    expect(architectures).toEqual([HEADS[kind].architecture ?? "AlbertModel"]);
  });

  it("is not invented", () => {
    for (const name of ["tagger", "", "toString", "__proto__", 7, null, undefined])
      expect(isHeadKind(name)).toBe(false);
  });
});
